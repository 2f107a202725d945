"""A changed configuration: what differs, what counts at once, what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gpuq.errors import UsageError
from gpuq_daemon.config import Config, load
from gpuq_daemon.reload import Reloader, apply, differences, may_change_live, settings_of
from gpuq_daemon.standing import Standing
from gpuq_daemon.store.accounts import AccountStore
from gpuq_daemon.store.database import Database
from gpuq_daemon.store.jobs import JobStore
from reference.settings import without_words

BASE = """
cluster_name = "x"
state_dir = "/s"
{top}
[partition.a]
engine = "embedded"
{a}
{more}
"""


def config(folder: Path, *, top: str = "", a: str = "", more: str = "") -> Config:
    file = folder / "gpuqd.toml"
    file.write_text(BASE.format(top=top, a=a, more=more))
    return load(file)


@pytest.mark.parametrize(
    ("changed", "key", "old", "new", "is_live"),
    [
        ({"top": "kill_wait_s = 5.5"}, "kill_wait_s", "2.0", "5.5", True),
        ({"top": 'default_partition = "a"'}, "default_partition", None, "a", True),
        ({"more": "[scheduler]\nhalf_life_d = 14"}, "scheduler.half_life_d", "7.0", "14.0", True),
        ({"more": "[scheduler.weights]\nage = 5"}, "scheduler.weights.age", "1000", "5", True),
        (
            {"more": "[scheduler.billing.gpu_types]\na100 = 2.0"},
            "scheduler.billing.gpu_types",
            "{}",
            "{'a100': 2.0}",
            True,
        ),
        ({"a": "priority = 3"}, "partition.a.priority", "0", "3", True),
        ({"a": 'gpu_type = "a100"'}, "partition.a.gpu_type", None, "a100", True),
        ({"more": "[retention]\njobs_days = 30"}, "retention.jobs_days", None, "30.0", True),
        ({"more": "[owners]\nallow_root_jobs = true"}, "owners.allow_root_jobs", "False", "True", True),
        ({"more": '[limits]\nmemlock = "unlimited"'}, "limits.memlock", None, "unlimited", True),
        ({"more": '[roles]\nadmin = ["ann", "@hpc"]'}, "roles.admin", "()", "('ann', '@hpc')", True),
        ({"more": "[privacy]\nprivate = true"}, "privacy.private", "False", "True", True),
        ({"more": "[audit]\nkeep_d = 30"}, "audit.keep_d", "400.0", "30.0", True),
        ({"more": "[listen]\nrequests_per_s = 5"}, "listen.requests_per_s", "500.0", "5.0", True),
        ({"more": "[listen]\nserve_others = false"}, "listen.serve_others", None, "False", False),
        ({"top": 'jobs_dir = "/j"'}, "jobs_dir", None, "/j", False),
        ({"a": "nodes = 4"}, "partition.a.nodes", "2", "4", False),
        ({"top": 'socket = "/x.sock"'}, "socket", None, "/x.sock", False),
        ({"more": '[partition.b]\nengine = "embedded"\npriority = 9'}, "partition.b", None, "embedded", False),
    ],
)
def test_each_difference_is_named_and_only_what_may_is_live(
    tmp_path: Path, changed: dict[str, str], key: str, old: str | None, new: str | None, is_live: bool
) -> None:
    before, after = config(tmp_path), config(tmp_path, **changed)

    [found] = differences(before, after)

    assert (found.key, found.old, found.new, found.is_live) == (key, old, new, is_live)
    apply(before, after)
    assert (differences(before, after) == ()) is is_live  # what waits for a restart is told at every reload
    assert all(not change.is_live for change in differences(before, after))


_RESTART = """state_dir socket scratch_dir jobs_dir allow_network_state log_format
listen.https listen.cert listen.key listen.serve_others listen.socket_mode listen.socket_group
listen.connections_per_user listen.request_timeout_s
partition.a partition.a.nodes partition.a.gpus_per_node partition.a.gpu partition.a.python partition.a.master_port
partition.a.memory_floor_mib partition.a.warm partition.a.warm_idle_s partition.a.spark"""
_LIVE = """cluster_name log_uri default_partition kill_wait_s preempt_grace_s configuring_limit_s silent_after_s
sample_every_s idle_after_s
max_script_kib max_pending_jobs min_free_mib log_level
scheduler.half_life_d scheduler.period_d scheduler.recalculate_every_s scheduler.promises scheduler.idle_budget
scheduler.guard_after_h scheduler.policy scheduler.preemption scheduler.least_run_s scheduler.small_patience_s
scheduler.patience_s scheduler.most_preemptions scheduler.estimate_every_s scheduler.record_days scheduler.record_mib
scheduler.weights.age scheduler.weights.fair_share
scheduler.weights.job_size
scheduler.weights.partition scheduler.weights.qos scheduler.weights.max_age_d scheduler.billing.gpu
scheduler.billing.gpu_types scheduler.billing.cpu scheduler.billing.memory_gib
owners.allow_root_jobs owners.min_uid owners.run_as_gpuqd
limits.nofile limits.nproc limits.core limits.memlock limits.stack limits.fsize limits.cpu
listen.requests_per_s listen.request_burst roles.admin roles.operator privacy.private audit.keep_d
retention.jobs_days retention.points_days retention.logs_days partition.a.priority partition.a.gpu_type
partition.a.log_uri
notify.webhook_hosts notify.webhook_private notify.webhook_s notify.sendmail notify.mail_from notify.mail_domains
notify.commands notify.command_s notify.most_tries notify.keep_d
hooks.prolog.path hooks.prolog.user hooks.prolog.timeout_s hooks.epilog.path hooks.epilog.user hooks.epilog.timeout_s
hooks.health_check.path hooks.health_check.user hooks.health_check.timeout_s hooks.health_check.every_s
hooks.health_check.resume hooks.submit_filter.path hooks.submit_filter.user hooks.submit_filter.timeout_s
hooks.node_health.path hooks.node_health.timeout_s hooks.node_prolog.path hooks.node_prolog.timeout_s
hooks.node_epilog.path hooks.node_epilog.timeout_s
defaults.user defaults.account defaults.partition"""


def test_of_every_key_it_is_decided_whether_it_may_change_live(tmp_path: Path) -> None:
    """A key that is not in these lists is new: decide, and say so in docs/operations.md and reference/words.py."""
    keys = {key for key, _ in settings_of(config(tmp_path))}

    assert {key for key in keys if may_change_live(key)} == set(_LIVE.split())
    assert {key for key in keys if not may_change_live(key)} == set(_RESTART.split())
    assert without_words() == (), "say in reference/words.py what each key is"


def test_a_partition_that_goes_is_one_difference_and_stays_until_a_restart(tmp_path: Path) -> None:
    before = config(tmp_path, more='[partition.b]\nengine = "embedded"\npriority = 1')
    after = config(tmp_path)

    found = apply(before, after)

    assert [(one.key, one.old, one.new, one.is_live) for one in found] == [("partition.b", "embedded", None, False)]
    assert before.partition["b"].priority == 1


def test_a_change_leaves_the_defaults_of_others_alone(tmp_path: Path) -> None:
    running = config(tmp_path)

    apply(running, config(tmp_path, a="priority = 3", more="[scheduler.weights]\nage = 5"))

    assert running.scheduler.weights.age == 5
    assert config(tmp_path).scheduler.weights.age == 1000
    assert config(tmp_path).partition["a"].priority == 0


def test_a_file_that_is_wrong_changes_nothing(tmp_path: Path) -> None:
    running, applied = config(tmp_path), list[str]()
    reloader = Reloader(running, tmp_path / "gpuqd.toml", applied=lambda: applied.append("x"))
    (tmp_path / "gpuqd.toml").write_text(BASE.format(top="kill_wait_s = 9", a="priorty = 3", more=""))

    with pytest.raises(UsageError, match="priorty"):
        reloader.reload()

    assert (running.kill_wait_s, applied) == (2.0, [])


def test_a_signal_finds_out_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    running = config(tmp_path)
    reloader = Reloader(running, tmp_path / "gpuqd.toml", applied=lambda: None)

    with caplog.at_level(logging.INFO):
        (tmp_path / "gpuqd.toml").write_text("state_dir = 1")
        reloader.reload_by_signal()
        config(tmp_path, a="priority = 1\nnodes = 5")
        reloader.reload_by_signal()

    assert [record.message for record in caplog.records] == [
        "reload refused",
        "setting changed",
        "setting waits for a restart",
        "reloaded",
    ]


def test_the_rest_is_told_only_of_what_counts(tmp_path: Path) -> None:
    applied = list[str]()
    reloader = Reloader(config(tmp_path), tmp_path / "gpuqd.toml", applied=lambda: applied.append("x"))

    config(tmp_path, a="nodes = 4")
    reloader.reload()
    assert applied == []

    config(tmp_path, a="nodes = 4\npriority = 1")
    reloader.reload()
    assert applied == ["x"]


def test_without_a_file_there_is_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not started from a file"):
        Reloader(config(tmp_path), None, applied=lambda: None).reload()


def test_who_decides_the_queue_and_how_is_taken_up_with_a_reload(tmp_path: Path) -> None:
    running = config(tmp_path)
    database = Database(tmp_path / "state.db", "state")
    standing = Standing(running, database, AccountStore(database), JobStore(database))
    assert (standing.rules().tiers, standing.rules().promises) == (None, 4)

    apply(running, config(tmp_path, a="priority = 3", more='[scheduler]\npolicy = "tiered"\npromises = 2'))

    assert standing.rules().tiers is not None
    assert (standing.rules().promises, standing.rules().partitions) == (2, {"a": 3})
    database.close()
