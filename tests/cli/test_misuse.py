"""Three hundred ways to misuse gpuq: each ends with the right exit code and one sentence that names what is wrong.

A row is an exit code (2: bad use, 3: nothing of that name, 4: not allowed, 5: no daemon, 1: cannot be done), a command
line, and what the sentence names. All run in this process against a real gpuqd with an ended job (1), a held one (2),
an array (3-5) and an account `bio`. `test_bad_inputs` has more of them, which need not say which sentence comes.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpuq.cli import main
from tests.support.daemon import Gpuqd, plain_gpuqd

_OF_A_JOB = (
    *("show", "why", "when", "logs", "stacks", "plot", "report", "tensorboard", "export", "checkpoint", "notices"),
    *("resubmit", "cancel", "hold", "release", "requeue", "wait", "events", "compare"),
)
_TASKS = tuple(verb for verb in _OF_A_JOB if verb != "when")
_BY_ID = [
    *(f"3 | {verb} 99999 | 99999" for verb in _OF_A_JOB),
    *(f"2 | {verb} 0 | 0" for verb in _OF_A_JOB),
    *(f"2 | {verb} --nonsense | --nonsense" for verb in _OF_A_JOB),
    *(f"3 | {verb} 3_77 | 77" for verb in _TASKS),
    *(f"2 | {verb} 1.5 | 1.5" for verb in _TASKS),
    *(f"2 | {verb} 1_ | 1_" for verb in _TASKS),
]
_TABLE = """
# something is missing
2 | show | ID
2 | why | ID
2 | logs | ID
2 | stacks | ID
2 | report | ID
2 | export | ID
2 | checkpoint | ID
2 | tensorboard | ID
2 | resubmit | ID
2 | plot | ID
2 | compare | ID
2 | wait | Name the jobs
2 | requeue | Name the jobs
2 | hold | Name the jobs
2 | release | Name the jobs
2 | cancel | Name the jobs
2 | histogram | ID
2 | weights | ID
2 | trace | HANDLE
2 | enqueue | SCRIPT
2 | update | FIELD=VALUE
2 | completions | bash
# mistyped
2 | queu | queue
2 | enque x.py | enqueue
2 | cancle 1 | cancel
2 | histroy | history
2 | squeue | queue
2 | sbatch x.sh | enqueue
2 | scancel 1 | cancel
2 | sinfo | nodes
2 | sacct -S now-2days | history
2 | sshare -a | share
2 | queue -t PD | --state
2 | cancel -t PD | --state
2 | history -t F | --state
2 | queue --me | -u me
2 | cancel --me | -u me
2 | queue --start | gpuq when
2 | queue -i 5 | --watch
2 | queue -j 12 | number alone
2 | logs -j 12 | number alone
2 | queue -l | -o
2 | history --long | -o
2 | history --start | --state
2 | enqueue --mem 4G x.py | --memory-per-worker
2 | enqueue -C a100 x.py | --gpu-type
2 | enqueue --cpus-per-task 4 x.py | --cpus-per-worker
2 | update 1 TimeLimit=1:00:00 | did you mean time?
2 | update 1 JobName=x | did you mean name?
2 | update 1 NumNodes=x | did you mean nodes?
2 | update 1 NICE=x | did you mean nice?
2 | scontrol hold 12 | here it is `gpuq hold ID`
2 | scontrol show jobid=12 | here it is `gpuq show ID`
2 | scontrol show nodes | here it is `gpuq nodes`
2 | scontrol update NodeName=n7 State=drain | `gpuq admin node drain NODE --reason TEXT`
2 | scontrol update JobId=12 TimeLimit=1 | `gpuq update ID FIELD=VALUE`
2 | scontrol suspend 12 | `gpuq requeue --hold ID`
2 | sacctmgr add user ann | here it is `gpuq admin user`
2 | sreport cluster Utilization | `gpuq admin report --utilisation`
2 | sdiag | `gpuq admin diag`
2 | seff 12 | `gpuq report ID`
2 | salloc -n 2 | `gpuq enqueue --wait`
2 | show job 12 | what shows a job is `gpuq show ID`
2 | show node n7 | what shows a node is `gpuq nodes`
2 | update jobid=12 time=1h | `gpuq update 12 time=2h`
2 | queue --sort=-p | `sort`
2 | enqueue --wrap ls x.py | main_fun
2 | enqueue --export=ALL x.py | behind `--`
2 | enqueue --output=x.out x.py | `gpuq logs ID`
2 | history --starttime x | --since
2 | kill 1 | cancel
2 | log 1 | logs
2 | nonsense | nodes
2 | --jsn | --json
2 | --json queue | gpuq queue --json
2 | admin acount list | account
2 | admin nonsense | admin --help
2 | admin account nonsense | account --help
2 | admin account ad x | add
2 | admin nod drain x | node
2 | admin user ad x | add
2 | admin token mak | token --help
2 | admin limit sett user:x | set
2 | tope | top
2 | admin qos lst | list
2 | admin reservation lst | list
# jobs that cannot be
2 | enqueue none.py | none.py
2 | enqueue / | directory
2 | enqueue {script} more | more
2 | enqueue {script} --workres 2 | --workers
2 | enqueue {script} --gpus 2 | --gpus-per-worker
2 | enqueue {script} -w 3 | 3
2 | enqueue {script} -w 0 | 0
2 | enqueue {script} -w two | two
2 | enqueue {script} -g 9 | 9
2 | enqueue {script} --time never | never
2 | enqueue {script} --time 400d | 366
2 | enqueue {script} --partition plan | plain
2 | enqueue {script} --account boi | bio
2 | enqueue {script} --qos fast | fast
2 | enqueue {script} --gpu-type h9000 | h9000
2 | enqueue {script} --array 5-1 | 5-1
2 | enqueue {script} --array x | x
2 | enqueue {script} --dependency afterok:77 | 77
2 | enqueue {script} --dependency aftr:1 | after
2 | enqueue {script} --begin yesterdayish | yesterdayish
2 | enqueue {script} --deadline 2001-01-01 | deadline
2 | enqueue {script} --nice x | x
2 | enqueue {script} --stop-on nann | nann
2 | enqueue {script} --signal x | x
2 | enqueue {script} --signal 2h --time 1h | 7200
2 | enqueue {script} --retries 500 | 500
2 | enqueue {script} --notify endet | ended
2 | enqueue {script} --notify-to smoke --notify ended | smoke
2 | enqueue {script} --notify ended --notify-to https://example.org/x | webhook_hosts
2 | enqueue {script} --mail-type ENDS | END
2 | enqueue {script} --mail-type END --mail-user x@y.org | mail
2 | enqueue {script} --reservation none | none
2 | enqueue {script} --layout round | round
2 | enqueue {script} --independent --ps 1 | parameter servers
2 | enqueue {script} --epochs 2 | feed
2 | enqueue {script} --sweep lr | lr
2 | enqueue {script} --sweep lr=1 --array 0-3 | sweep
2 | enqueue {script} --files none.txt | none.txt
2 | enqueue {script} --files , | --files
2 | enqueue {script} --name '' | name
2 | enqueue {script} --memory-per-worker 1Q | 1Q
2 | enqueue {script} --cpus-per-worker 1.5 | 1.5
2 | enqueue {script} --nodes 2 | node
2 | enqueue {script} --evaluator=5 | --evaluator
2 | enqueue {shell} | shell script
2 | enqueue {empty} | main_fun
2 | enqueue {broken} | line 1
2 | enqueue {toml} | script
2 | enqueue {script} --ps -1 | -1
# choosing and changing
2 | queue -s nonsense | nonsense
2 | queue -u '' | --user
2 | queue -o nonsense | nonsense
2 | queue -o stat | state
2 | queue --at never | never
2 | queue -o '%Z' | %Z
2 | queue gpus>x | gpus
2 | queue colour=red | colour
2 | queue '/(/' | (
2 | queue --csv --json | --json
2 | queue -S never | never
2 | cancel colour=red | colour
2 | cancel 5-1 | 5-1
2 | cancel 1- | 1-
2 | cancel -s nonsense | nonsense
2 | hold -A '' | --account
2 | history -s nonsense | nonsense
2 | history --since never | never
2 | history --regex '(' | regular expression
2 | history -o nonsense | nonsense
2 | history --limit x | x
2 | history -o stat | state
2 | update 2 gpus=3 | gpus
2 | update 2 tme=2h | time
2 | update 2 time=never | never
2 | update 2 time=1h time=2h | twice
2 | update 1 nice=3 | COMPLETED
2 | update 2 script=x | script
2 | update 2 priority=low | low
2 | update 2 throttle=1 | array
2 | update 2 notify=endet | ended
2 | update nice=1 | update
2 | update 2 account=boi | bio
2 | update 2 partition=plan | plain
2 | update 2 dependency=afterok:2 | 2
2 | hold 1 | COMPLETED
2 | release 1 | COMPLETED
2 | requeue 2 | pending
2 | cancel --dry-run colour=red | colour
2 | wait --timeout x 1 | --timeout
3 | wait 99999 1 | 99999
# looking
3 | logs 1 --rank 7 | 7
2 | logs 1 --rank x | x
2 | logs 1 -n x | x
3 | plot 1 los | job 1
2 | plot 1 --smooth 2 | 2
2 | plot 1 --x colour | colour
3 | histogram 1 w | w
3 | weights 1 w | checkpoint
3 | checkpoint 1 | checkpoint
2 | compare 1 | two
3 | export 1 | 1
2 | export 1 --format xls | xls
2 | show 1 --tag x | --text
2 | show 1 --code --text | one at a time
3 | show 1 --file none.py | none.py
1 | report 1 --html /none/x.html | /none/x.html
3 | prio 99999 | 99999
2 | prio x | x
3 | share extra | extra
2 | usage --by colour | colour
2 | usage --since never | never
2 | usage --per hour | hour
2 | usage --by '' | account
2 | free x | x
2 | nodes x | x
2 | gpus x | x
2 | trace '' | handle
3 | trace none:1 | none:1
2 | completions ksh | ksh
2 | notices --state lost | lost
2 | notices --key 1 | --key
2 | notices --limit 0 | 0
3 | events 99999 | 99999
2 | when none.py | none.py
2 | top --web --port x | x
2 | stacks 1 | COMPLETED
2 | --host ftp://x queue | ftp
2 | --host https:// queue | https
5 | --host /none/x.sock queue | /none
3 | tensorboard 2 | Job 2
# deciding
2 | admin account add | NAME
2 | admin account add bio | bio
2 | admin account add ../x | ../x
2 | admin account add a --parent boi | bio
2 | admin account add a --shares x | x
2 | admin account add a --shares -1 | -1
3 | admin account modify boi --shares 2 | bio
2 | admin account modify bio | change
2 | admin account modify bio --parent bio | bio
2 | admin account delete boi | bio
2 | admin account delete root | root
2 | admin account list x | x
2 | admin user add eve | --account
2 | admin user add eve --account boi | bio
2 | admin user add 'a b' --account bio | a b
2 | admin user modify eve --account bio --shares 2 | user --help
3 | admin user delete eve --account bio | eve
2 | admin share set boi 3 | 3
2 | admin share set bio x | x
2 | admin qos add '' | QOS
2 | admin qos add x --priority y | y
3 | admin qos modify none --priority 3 | none
3 | admin qos delete none | none
2 | admin qos delete normal | normal
2 | admin qos add x --accounts boi | bio
2 | admin limit set | WHO
2 | admin limit set user:x | LIMIT=VALUE
2 | admin limit set x running-gpus=1 | user:
2 | admin limit set planet:x running-gpus=1 | planet
2 | admin limit set user:x gpus=1 | gpus
2 | admin limit set user:x running-gpus=-1 | -1
2 | admin limit set user:x runing-gpus=1 | running-gpus
3 | admin limit clear user:none | none
3 | admin limit set account:boi running-gpus=1 | bio
3 | admin node drain none --reason x | none
2 | admin node drain plain-1 | --reason
3 | admin node drain plan-1 --reason x | plain-1
3 | admin node resume plain-1 | plain-1
2 | admin node drain plain-1 --reason '' | reason
2 | admin reservation add x | create
3 | admin reservation delete none | none
3 | admin token revoke 99 | 99
3 | admin token revoke x | There is no token 'x'
2 | admin token create --expires x | x
2 | admin audit --since never | never
2 | admin audit --limit x | --limit
2 | admin diag x | x
2 | admin batch none.txt | none.txt
2 | admin batch / | /
2 | admin batch {batch} | line 2
2 | admin replay --at never | never
2 | admin what-if | CHANGE
2 | admin what-if 'drian plain-1' | drain
2 | admin eta-report --since never | never
3 | share boi | bio
3 | admin share boi 3 | bio
2 | admin share bio x | x
2 | admin reservation create x | --
2 | admin reservation list y | y
"""


def _row(text: str) -> tuple[int, str, str]:
    code, line, names = text.split(" | ")
    return int(code), line, names


_LINES = [line for line in _TABLE.splitlines() if line and not line.startswith("#")]
ROWS = [_row(text) for text in (*_BY_ID, *_LINES)]


@pytest.fixture(scope="module")
def daemon() -> Iterator[Gpuqd]:
    with plain_gpuqd() as running:
        job = running.enqueue("def main_fun(args, ctx):\n    print('x')\n")
        running.ended(job)
        running.enqueue("def main_fun(args, ctx):\n    pass\n", hold=True)
        running.enqueue("def main_fun(args, ctx):\n    pass\n", hold=True, array="0-2")
        from gpuq.client_admin import AdminClient

        admin = AdminClient(running.client.path)
        admin.add_account("bio")
        admin.add_member(admin.me()["user"], "bio")
        yield running


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("files")
    texts = {
        "script": ("train.py", "def main_fun(args, ctx):\n    pass\n"),
        "shell": ("job.sh", "#!/bin/bash\n#SBATCH -n 2\nsrun ./x\n"),
        "empty": ("empty.py", ""),
        "broken": ("broken.py", "def main_fun(:\n"),
        "toml": ("job.toml", "workers = 2\n"),
        "batch": ("batch.txt", "queue\nhold nonsense=x\n"),
    }
    for name, text in texts.values():
        Path(folder, name).write_text(text)
    return {key: str(folder / name) for key, (name, _) in texts.items()}


@pytest.mark.parametrize(("code", "line", "names"), ROWS, ids=[row[1] for row in ROWS])
def test_a_mistake_is_one_sentence_that_says_which(
    code: int,
    line: str,
    names: str,
    daemon: Gpuqd,
    files: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("GPUQ_SOCKET", daemon.client.path)
    before = daemon.client.jobs(everything=True)

    ended = main([word.format(**files) for word in shlex.split(line)])
    said = capfd.readouterr().err

    assert (ended, said.count("Traceback")) == (code, 0), said
    assert daemon.client.jobs(everything=True) == before
    if code:
        assert names.lower() in said.lower()
        assert len(said) < 700
        sentence = said.strip()
        assert "\n" not in sentence
        assert sentence.startswith("gpuq: ")
        assert sentence.endswith((".", "?"))


def test_there_are_three_hundred() -> None:
    assert len({line for _, line, _ in ROWS}) >= 300
