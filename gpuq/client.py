"""One method a question to gpuqd, over its unix socket.

HTTP/1.1 by hand over AF_UNIX: `http.client` alone costs more to import than a whole command may take.
Answers are the API's JSON as it came; `gpuq.models` says what the fields mean, and `gpuq.wire.decode`
makes those values of it where start-up time does not matter (the TUI).
"""

from __future__ import annotations

import os
import time

from gpuq.errors import ForbiddenError, UnavailableError
from gpuq.plain_socket import MSG_PEEK, PlainSocket
from gpuq.quick_json import dumps, loads

TYPE_CHECKING = False  # `typing` costs as much to import as the whole client
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import IO, Any

    from gpuq.stream import Stream

    Json = dict[str, Any]  # the API's border: JSON as it came
else:
    Json = dict

_MAX_HEAD = 64 * 1024
_MAX_ANSWER = 1 << 30
_BACKLOG_PAUSE_S = 0.02
_TASKS_AT_ONCE = 5_000
_ASK_AGAIN_S = 45.0  # a gpuqd with an engine of its own takes up to half a minute to be back
_ASK_AGAIN_PAUSE_S = 0.1
_QUICK_S, _QUICK_BYTES = 1.0, 64 * 1024  # what takes longer, or has more to send, says that it goes on


class UnansweredError(UnavailableError):
    """Nobody listens: nothing was asked."""


class BrokenOffError(UnavailableError):
    """The connection broke before the answer: whether what was asked is done is not known."""


def default_socket() -> str:
    """Return where gpuqd listens: $GPUQ_HOST (a URL), $GPUQ_SOCKET, else the system's, else the user's own."""
    named = os.environ.get("GPUQ_HOST") or os.environ.get("GPUQ_SOCKET")
    if named:
        return named
    system = "/run/gpuq/gpuqd.sock"
    if os.path.exists(system):
        return system
    state_home = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return os.path.join(state_home, "gpuq", "gpuqd.sock")


def _text_of(body: Json) -> bytes:
    return dumps(body, is_ascii=False).encode("utf-8", "surrogatepass")


class Client:
    """Asks one gpuqd. Each question is one connection; safe to use from several threads."""

    while_slow: str | None = None
    """What is said on stderr for as long as an answer takes, from a second on; None: nothing."""

    def __init__(self, path: str | None = None, *, timeout_s: float = 60.0) -> None:
        self.path = (path or default_socket()).removeprefix("unix://")
        self.timeout_s = timeout_s

    def cluster(self) -> Json:
        """Return the daemon and its nodes (`models.Cluster`)."""
        return self._ask("GET", "/v1/cluster")

    def jobs(self, *, everything: bool = False, user: str | None = None) -> list[Json]:
        """Return jobs by id (`models.Job`): those not ended, or `everything` that is kept."""
        return self.job_list(everything=everything, user=user)["jobs"]

    def job_list(
        self,
        *,
        everything: bool = False,
        user: str | None = None,
        array: int | None = None,
        since: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> Json:
        """Return `{"jobs", "seq", "is_whole", "removed", "next_cursor"}`.

        With the `seq` of an earlier answer as `since`, only what changed (all again if `is_whole`); with `limit`
        a page by id, and with its `next_cursor` as `cursor` the next.
        """
        params = {"all": "true" if everything else None, "user": user, "array": array}
        return self._ask("GET", "/v1/jobs", {**params, "since": since, "limit": limit, "cursor": cursor})

    def tasks(self, array_id: int) -> list[Json]:
        """Return all tasks of an array by index, those that have ended too; none where there is no such array."""
        found: list[Json] = []
        cursor = None
        while True:
            page = self.job_list(everything=True, array=array_id, limit=_TASKS_AT_ONCE, cursor=cursor)
            # an older gpuqd does not know of arrays and tells all jobs
            found += [job for job in page["jobs"] if job.get("array_id") == array_id]
            cursor = page.get("next_cursor")
            if cursor is None:
                return found

    def stream(
        self,
        *,
        job_ids: Sequence[int] = (),
        user: str | None = None,
        last: str | None = None,
        heartbeat_s: float = 15,
        table: bool = False,
    ) -> Stream:
        """Open the stream of changes, of some jobs or one user's only, after the event with the id `last`.

        With `table`, jobs that have never begun come by column at the beginning, as `table`; an older gpuqd sends rows.

        Raises:
            UnavailableError: gpuqd does not answer.
        """
        from gpuq.stream import Stream

        params: list[tuple[str, object]] = [("job", job_id) for job_id in job_ids]
        params += [("user", user)] if user is not None else []
        params += [("table", "true")] if table else []
        target = f"/v1/events?{_query([*params, ('heartbeat_s', heartbeat_s)])}"
        head = {"Accept": "text/event-stream"} if last is None else {"Last-Event-ID": last}
        connection = self._connected(timeout_s=2 * heartbeat_s + 5)
        return Stream(connection, target, head)

    def jobs_text(self, *, user: str | None = None) -> bytes | memoryview:
        """Return the jobs that have not ended as the text of a JSON array, ASCII only; parsed only where it must be."""
        query = "" if user is None else f"?user={quote(user)}"
        answer = self._answer("GET", f"/v1/jobs{query}", b"")
        begin, end = answer.find(b"["), answer.rfind(b'],"seq":')
        end = len(answer) - 2 if end < 0 else end
        # A string in JSON holds no bare quotation mark: what is looked for is not found inside of one.
        if answer.startswith(b'{"jobs":[') and answer[end : end + 1] == b"]" and answer.isascii():
            return memoryview(answer)[begin : end + 1]
        return dumps(self._parsed(answer)["jobs"]).encode()

    def history(self, **wanted: object) -> Json:
        """Return `{"columns", "rows", "next_cursor"}` of jobs that have ended, the newest first.

        `wanted`: user, account, partition, state, since, until (Unix seconds), name (with * and ?) or regex, limit,
        cursor.
        """
        return self._ask("GET", "/v1/history", wanted)

    def usage(self, **asked: object) -> Json:
        """Return `{"since", "until", "by", "rows"}` of what was used, as `/v1/usage` tells it.

        `asked`: since, until (Unix seconds), by (a list of account, user, partition, gpu_type, qos, gpus), per, user,
        account.
        """
        return self._ask("GET", "/v1/usage", asked)

    def usage_table(self, **asked: object) -> Iterator[bytes]:
        """Yield the bytes of the same as a table; `format` is parquet, arrow or csv.

        Raises:
            UnavailableError: gpuqd ended before the table was whole.
        """
        from gpuq.download import pieces

        query = _query(_pairs(asked))
        yield from pieces(self._connected(timeout_s=self.timeout_s), f"/v1/usage/table?{query}")

    def utilisation(self, **asked: object) -> Json:
        """Return what became of all GPU time, as `/v1/utilisation` tells it.

        `asked`: since, until (Unix seconds), by (a list of partition, gpu_type), per.
        """
        return self._ask("GET", "/v1/utilisation", asked)

    def utilisation_table(self, **asked: object) -> Iterator[bytes]:
        """Yield the bytes of the same as a table, as `usage_table` does."""
        from gpuq.download import pieces

        query = _query(_pairs(asked))
        yield from pieces(self._connected(timeout_s=self.timeout_s), f"/v1/utilisation/table?{query}")

    def node_history(self, **asked: object) -> Json:
        """Return `{"recorded_since", "spans": [sharing.NodeSpan]}`; `asked`: node, since, until (Unix seconds)."""
        return self._ask("GET", "/v1/nodes/history", asked)

    def messages(self, **asked: object) -> list[Json]:
        """Return what owners are told of their jobs (`models.Message`), the newest first.

        `asked`: user, job, state (waiting, sent, dropped), limit.
        """
        return self._ask("GET", "/v1/messages", asked)["messages"]

    def notices_key(self) -> Json:
        """Return `{"user", "key"}`: what webhooks of the asking user's jobs are signed with."""
        return self._ask("GET", "/v1/messages/key")

    def queue(self, *, user: str | None = None) -> Json:
        """Return `{"cluster", "jobs", "pending"}`: the cluster, what holds its GPUs, and what waits, by columns."""
        return self._ask("GET", "/v1/queue", {"user": user})

    def job(self, job_id: int, *, index: int | None = None) -> Json:
        """Return one job (`models.Job`), with `index` that task of the array."""
        return self._ask("GET", f"/v1/jobs/{job_id}", {"index": index})

    def enqueue(self, spec: Json, *, key: str | None = None) -> Json:
        """Queue a `models.JobSpec` and return its job; it is durable when this returns.

        Where the connection breaks before the answer, it is asked again, under the same `key`, so that one job comes
        of it. Give a key to ask again yourself; it is remembered for a day.

        Raises:
            UnavailableError: gpuqd does not answer; where it may have queued the job, the sentence says so.
        """
        headers = f"Idempotency-Key: {os.urandom(16).hex() if key is None else key}\r\n"
        deadline = None
        while True:
            try:
                return self._ask("POST", "/v1/jobs", body=spec, headers=headers)
            except BrokenOffError:
                if deadline is None:
                    deadline = time.monotonic() + _ASK_AGAIN_S
            except UnansweredError:
                if deadline is None:
                    raise  # it was never asked
            if time.monotonic() >= deadline:
                raise UnavailableError(
                    "gpuqd broke off before its answer and has not answered since; `gpuq queue` shows "
                    "whether the job is queued once it is back."
                )
            time.sleep(_ASK_AGAIN_PAUSE_S)

    def spec(self, job_id: int, *, index: int | None = None) -> Json:
        """Return what a job asked for (`models.JobSpec`), its script included; for its owner and operators."""
        return self._ask("GET", f"/v1/jobs/{job_id}/spec", {"index": index})

    def why(self, job_id: int, *, at: float | None = None) -> Json:
        """Return why the job is where it is (`models.Why`), or was `at` a time (Unix seconds)."""
        return self._ask("GET", f"/v1/jobs/{job_id}/why", None if at is None else {"at": at})

    def queue_then(self, at: float) -> Json:
        """Return `{"at", "queue"}`: the queue as it was at a time (Unix seconds), as `queue` tells it."""
        return self._ask("GET", "/v1/record/queue", {"at": at})

    def when(self, job_id: int) -> Json:
        """Return the same, with an estimate of its start (`p50_at`, `p90_at`), which may take seconds to make."""
        return self._ask("GET", f"/v1/jobs/{job_id}/when")

    def sooner(self, job_id: int) -> list[Json]:
        """Return how a pending job would start as it is, and what would let it start sooner (`models.Way`)."""
        return self._ask("GET", f"/v1/jobs/{job_id}/sooner")["ways"]

    def priority(self, job_id: int) -> list[Json]:
        """Return every term of a pending job's priority (`models.PriorityTerm`); none if it does not wait."""
        return self._ask("GET", f"/v1/jobs/{job_id}/priority")

    def test(self, spec: Json, *, estimate: bool = False) -> Json:
        """Return when a `models.JobSpec` would start, and what stands against it (`models.Why`); queue nothing.

        An `estimate` of the start takes seconds.
        """
        return self._ask("POST", "/v1/jobs/test", {"estimate": "true"} if estimate else None, body=spec)

    # The number of an array's first task means the whole array, but with `index` that task alone.

    def cancel(self, job_id: int, *, index: int | None = None) -> Json:
        """Ask for the job's end and return it as it is now."""
        return self._ask("POST", f"/v1/jobs/{job_id}/cancel", {"index": index})

    def stacks(self, job_id: int) -> Json:
        """Have every rank of a running job print to its log where its threads are; return the job."""
        return self._ask("POST", f"/v1/jobs/{job_id}/stacks")

    def hold(self, job_id: int, *, index: int | None = None, as_admin: bool = False) -> Json:
        """Keep a pending job from starting and return it; `as_admin`: only an administrator releases it."""
        params = {"index": index, "as_admin": "true" if as_admin else None}
        return self._ask("POST", f"/v1/jobs/{job_id}/hold", params)

    def release(self, job_id: int, *, index: int | None = None) -> Json:
        """Let a held job start and return it."""
        return self._ask("POST", f"/v1/jobs/{job_id}/release", {"index": index})

    def move_to_top(self, job_id: int, *, index: int | None = None, on: bool = True) -> Json:
        """Let a pending job go before everybody, or not any more, and return it; for administrators."""
        return self._ask("POST", f"/v1/jobs/{job_id}/top", {"index": index, "on": "true" if on else "false"})

    def requeue(self, job_id: int, *, index: int | None = None, is_held: bool = False) -> Json:
        """Let a job run again and return it as it is now; one that runs is ended first."""
        params = {"index": index, "is_held": "true" if is_held else None}
        return self._ask("POST", f"/v1/jobs/{job_id}/requeue", params)

    def update(self, job_id: int, changes: Json, *, index: int | None = None) -> Json:
        """Change fields of a pending job, by their names in `models.JobSpec`, and return it."""
        return self._ask("PATCH", f"/v1/jobs/{job_id}", {"index": index}, body=changes)

    def wait(self, job_id: int, *, timeout_s: float = 30.0) -> Json:
        """Return the job as soon as it has ended, or as it is after `timeout_s`."""
        return self._ask("GET", f"/v1/jobs/{job_id}/wait", {"timeout_s": timeout_s})

    def logs(
        self,
        job_id: int,
        *,
        rank: int | None = None,
        offset: int = 0,
        limit: int = 256 * 1024,
        attempt: int | None = None,
        stream: str | None = None,
        until: int | None = None,
    ) -> Json:
        """Return `{"data", "offset", "next_offset", "size", "is_final", "rank"}` of a rank's log.

        `rank` None is the driver's log, `attempt` None the newest. A negative `offset` counts from the end. `data` is
        as the job wrote it: clean it before a terminal sees it. `is_final` says that nothing will be added. `stream`
        "stdout" or "stderr" leaves out what came from the other (`is_told_apart`: whether that is known); with `until`
        nothing from that byte on is read.
        """
        which = {"rank": rank, "offset": offset, "limit": limit, "attempt": attempt, "stream": stream, "until": until}
        return self._ask("GET", f"/v1/jobs/{job_id}/logs", which)

    def series(self, job_id: int) -> list[Json]:
        """Return the job's tags (`summaries.Series`)."""
        return self._ask("GET", f"/v1/jobs/{job_id}/series")["series"]

    def curve(
        self,
        job_id: int,
        tag: str,
        *,
        rank: int | None = None,
        run: str | None = None,
        attempt: int | None = None,
        columns: int = 200,
        x: str = "step",
        smooth: float = 0.0,
        begin: float | None = None,
        end: float | None = None,
    ) -> Json:
        """Return a scalar's points thinned to `columns` (`summaries.Curve`); `x` is one of `scale.X_AXES`.

        Without `rank` and `run`, the first series of that name, by rank, is taken; without `attempt`, all of them.
        `begin` and `end` are those of the part of x that is wanted.
        """
        which = {"tag": tag, "rank": rank, "run": run, "attempt": attempt, "begin": begin, "end": end}
        return self._ask("GET", f"/v1/jobs/{job_id}/curve", {**which, "columns": columns, "x": x, "smooth": smooth})

    def heat_map(self, job_id: int, tag: str, **how: Any) -> Json:
        """Return a tag's distributions over its steps (`summaries.HeatMap`); `how` is what the route takes."""
        return self._ask("GET", f"/v1/jobs/{job_id}/heatmap", {"tag": tag, **how})

    def histograms(self, job_id: int, tag: str, **how: Any) -> Json:
        """Return a tag's distributions as they were written (`summaries.Histograms`)."""
        return self._ask("GET", f"/v1/jobs/{job_id}/histograms", {"tag": tag, **how})

    def texts(self, job_id: int, **which: Any) -> list[Json]:
        """Return the newest texts of a job (`summaries.Text`); `tag`, `rank`, `run`, `attempt`, `at_most`."""
        return self._ask("GET", f"/v1/jobs/{job_id}/texts", which)["texts"]

    def pictures(self, job_id: int, **which: Any) -> list[Json]:
        """Return where the newest pictures of a job are (`summaries.Picture`); `which` as for `texts`."""
        return self._ask("GET", f"/v1/jobs/{job_id}/pictures", which)["pictures"]

    def one_picture(self, job_id: int, picture_id: int) -> bytes:
        """Return a picture as its script wrote it."""
        return self._bytes(f"/v1/jobs/{job_id}/pictures/{picture_id}", {})

    def event_files(self, job_id: int) -> Json:
        """Return `{"attempt", "files": [summaries.EventFile]}` of the job's newest attempt."""
        return self._ask("GET", f"/v1/jobs/{job_id}/event-files")

    def event_bytes(self, job_id: int, path: str, *, attempt: int, offset: int, limit: int) -> bytes:
        """Return up to `limit` bytes of an event file from `offset` on; none at its end, or if it is gone."""
        which = {"path": path, "attempt": attempt, "offset": offset, "limit": limit}
        return self._bytes(f"/v1/jobs/{job_id}/event-files/bytes", which)

    def compare(self, ids: Sequence[int], tags: Sequence[str], **which: Any) -> Json:
        """Return `{"tags": [summaries.Compared], "left_out"}` of several jobs; `rank`, `run`."""
        return self._ask("GET", "/v1/compare", {"job": list(ids), "tag": list(tags), **which})

    def trace(self, handle: str) -> Json:
        """Return the attempts that a handle leads to (`tracing.Traced`): a pod, a process, a GPU, a path, ..."""
        return self._ask("GET", "/v1/trace", {"handle": handle})

    def gpus(self) -> list[Json]:
        """Return every GPU as it is now (`gpus.Gpu`)."""
        return self._ask("GET", "/v1/gpus")["gpus"]

    def picture(self, ids: Sequence[int], tags: Sequence[str], **how: Any) -> bytes:
        """Return a chart of curves as an SVG or PNG file; what `how` may say is that of `/v1/chart`."""
        return self._bytes("/v1/chart", {"job": list(ids), "tag": list(tags), **how})

    def heat_picture(self, job_id: int, tag: str, **how: Any) -> bytes:
        """Return a chart of a tag's distributions as an SVG or PNG file."""
        return self._bytes(f"/v1/jobs/{job_id}/heatmap/picture", {"tag": tag, **how})

    def points(self, job_id: int, **which: Any) -> Iterator[bytes]:
        """Yield the bytes of a table of all points, as they come; `which` and `format` are those of the route.

        Raises:
            UnavailableError: gpuqd ended before the table was whole.
        """
        from gpuq.download import pieces

        query = _query(_pairs(which))
        yield from pieces(self._connected(timeout_s=self.timeout_s), f"/v1/jobs/{job_id}/points?{query}")

    def checkpoints(self, job_id: int) -> list[Json]:
        """Return the job's checkpoints by step (`summaries.Checkpoint`)."""
        return self._ask("GET", f"/v1/jobs/{job_id}/checkpoints")["checkpoints"]

    def checkpoint(self, job_id: int, at: str | None = None) -> Json:
        """Return what a checkpoint has (`summaries.CheckpointContents`); `at` is a step or a name, else the newest."""
        return self._ask("GET", f"/v1/jobs/{job_id}/checkpoint", {"at": at})

    def distribution(self, job_id: int, name: str, *, at: str | None, minus: str | None, bins: int) -> Json:
        """Return how a variable's numbers are distributed (`summaries.Distribution`)."""
        question = {"name": name, "at": at, "minus": minus, "bins": bins}
        return self._ask("GET", f"/v1/jobs/{job_id}/weights", question)

    def ledger(self, since: float | None = None) -> Json:
        """Return `{"at", "since", "half_life_s", "is_tiered", "lent": [sharing.LentRow], "wasted": [WasteRow]}`."""
        return self._ask("GET", "/v1/ledger", {"since": since})

    def shares(self, account: str | None = None) -> Json:
        """Return `{"at", "half_life_s", "is_open", "shares": [sharing.ShareRow]}`, of `account` and all below it."""
        return self._ask("GET", "/v1/shares", {"account": account})

    def _ask(
        self, method: str, path: str, params: Json | None = None, body: Json | None = None, headers: str = ""
    ) -> Any:
        content = b"" if body is None else _text_of(body)
        query = _query(_pairs(params or {}))
        return self._parsed(self._answer(method, f"{path}?{query}" if query else path, content, headers))

    def _bytes(self, path: str, params: Json) -> bytes:
        return self._answer("GET", f"{path}?{_query(_pairs(params))}", b"")

    def _answer(self, method: str, target: str, content: bytes, headers: str = "") -> bytes:
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: gpuq\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\n{headers}Content-Length: {len(content)}\r\n\r\n"
        )
        # the end of a job is waited for as long as it takes, and ssh may ask for a password meanwhile
        is_told = "/wait?" not in target and not self.path.startswith("ssh://")
        status, answer = self._exchange(head.encode() + content, self.while_slow if is_told else None)
        if status >= 400:
            from gpuq.problems import error_of  # only a refusal needs it

            raise error_of(status, answer)
        return answer

    def _parsed(self, answer: bytes) -> Any:
        try:
            return loads(answer)
        except ValueError as error:
            raise UnavailableError(
                f"What answers at {self.path} is not a gpuqd; set GPUQ_SOCKET to the right socket."
            ) from error

    def _exchange(self, request: bytes, while_slow: str | None) -> tuple[int, bytes]:
        with self._connected(timeout_s=self.timeout_s, is_plain=True) as connection:
            try:
                if while_slow is None:
                    _send(connection, request)
                    return _read_answer(connection)
                return _read_with_patience(connection, request, while_slow, self.timeout_s)
            except TimeoutError as error:
                raise self._silent(self.timeout_s) from error
            except BrokenOffError as error:
                raise self._ended_by_ssh(connection, error) from error

    def _ended_by_ssh(self, connection: Any, error: BrokenOffError) -> UnavailableError:
        """Return why a connection broke off: where ssh failed, asking again would only fail again."""
        code = connection.exit_code() if self.path.startswith("ssh://") else 0
        if not code:  # gpuqd itself closed it
            return error
        if code == UnavailableError.exit_code:  # of `gpuq dial`: nobody listens there
            return UnansweredError(f"gpuqd does not answer at {self.path}; what its host said is above.")
        return UnavailableError(
            f"ssh did not get through to {self.path} (exit code {code}); what it said is above. If it broke off "
            "later than that, `gpuq queue` shows what was done."
        )

    def _connected(self, *, timeout_s: float, is_plain: bool = False) -> Any:
        """Return a connection, a `socket.socket`; where it is for one question, one that starts quicker may do."""
        if "://" in self.path:
            from gpuq.remote import connect

            return connect(self.path, timeout_s)
        if is_plain:
            connection: Any = PlainSocket()
        else:
            import socket

            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            _connect(connection, self.path, time.monotonic() + timeout_s)
        except BaseException as error:
            connection.close()
            raise self._unreachable(error, timeout_s) from error
        return connection

    def _unreachable(self, error: BaseException, timeout_s: float) -> BaseException:
        if isinstance(error, TimeoutError):
            return self._silent(timeout_s)
        if isinstance(error, FileNotFoundError | ConnectionRefusedError):
            return UnansweredError(
                f"gpuqd does not answer at {self.path}: start it with `gpuqd start --config FILE`, "
                "or set GPUQ_SOCKET to its socket."
            )
        if isinstance(error, PermissionError):
            return ForbiddenError(f"You may not talk to the gpuqd at {self.path}: it serves another user.")
        if isinstance(error, OSError):
            return UnavailableError(f"Cannot reach gpuqd at {self.path}: {error.strerror or error}.")
        return error

    def _silent(self, timeout_s: float) -> UnavailableError:
        return UnavailableError(f"gpuqd at {self.path} did not answer within {timeout_s:g} s; try again.")


def _connect(connection: Any, path: str, deadline: float) -> None:
    """Connect, coming again while the daemon's backlog is full: AF_UNIX refuses instead of waiting."""
    while True:
        try:
            return connection.connect(path)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(_BACKLOG_PAUSE_S)


def _send(connection: Any, request: bytes) -> None:
    try:  # noqa: SIM105 - contextlib would cost start-up time
        connection.sendall(request)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before it was read whole: the answer says why


def _read_with_patience(connection: Any, request: bytes, while_slow: str, timeout_s: float) -> tuple[int, bytes]:
    """Ask, and say that it goes on where that takes long; what is quick loads nothing for it."""
    is_short = len(request) <= _QUICK_BYTES and isinstance(connection, PlainSocket)
    if is_short:
        _send(connection, request)
        if _comes_soon(connection, timeout_s):
            return _read_answer(connection)
    from gpuq.progress import Progress  # threads, for those who wait

    with Progress(while_slow):
        if not is_short:
            _send(connection, request)
        return _read_answer(connection)


def _comes_soon(connection: PlainSocket, timeout_s: float) -> bool:
    """Wait a second for the first byte, which is left where it is."""
    connection.settimeout(_QUICK_S)
    try:
        connection.recv(1, MSG_PEEK)
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True  # whoever reads is told
    finally:
        connection.settimeout(timeout_s)
    return True


def _read_answer(connection: Any) -> tuple[int, bytes]:
    with connection.makefile("rb") as stream:
        try:
            head = stream.readline(_MAX_HEAD).split(None, 2)
            length = _content_length(stream)
            answer = stream.read(_MAX_ANSWER if length is None else min(length, _MAX_ANSWER))
        except ConnectionResetError as error:
            raise BrokenOffError("gpuqd closed the connection; try again.") from error
    if len(head) < 2 or not head[1].isdigit() or len(head[1]) != 3 or (length is not None and len(answer) < length):
        raise BrokenOffError("gpuqd closed the connection before its answer was whole; try again.")
    return int(head[1]), answer


def _content_length(stream: IO[bytes]) -> int | None:
    """Read the header lines up to the empty one; None where the body goes on to the end of the stream."""
    length = None
    while (line := stream.readline(_MAX_HEAD)) not in (b"\r\n", b"\n", b""):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length" and value.strip().isdigit():
            length = int(value[:20])
    return length


def _pairs(params: Json) -> list[tuple[str, object]]:
    """Return names with values, a list as many of them, without those that are None."""
    pairs: list[tuple[str, object]] = []
    for name, value in params.items():
        for one in value if isinstance(value, list) else [value]:  # pyright: ignore[reportUnknownVariableType]
            pairs += [] if one is None else [(name, one)]
    return pairs


def _query(params: list[tuple[str, object]]) -> str:
    return "&".join(f"{name}={quote(str(value))}" for name, value in params)


def quote(text: str) -> str:
    """Percent-encode for a query or a part of a path; `urllib.parse` would cost milliseconds of every command."""
    safe = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~"
    return "".join(chr(b) if b in safe else f"%{b:02X}" for b in text.encode("utf-8", "surrogatepass"))
