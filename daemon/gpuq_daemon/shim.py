"""Leads one attempt of a job: starts its command once, ends all that descends from it, writes how it ended.

Run as `python -I -S shim.py launch.json` in a session of its own, with nothing but the standard library, so
that it starts in milliseconds and outlives the daemon. Where gpuqd is root the shim is root, as slurmstepd is: the
job's owner can neither kill it nor change what it says. Only the command is the owner's. Next to launch.json, in a
folder that is gpuqd's alone, it makes:

- `claim`: "pid start_time boot_id", before anything is started; where it exists already, nothing is started (exit 3).
  Where there is no room for it, or for what has to be written later, nothing is started either (exit 4).
- `exit.json`: `{"exit_code", "signal", "ended_at", "error"}` once nothing of the attempt is left below the shim. Of
  `exit_code` and `signal` one is null, as the command ended by itself or by a signal; 127 with an `error` is
  "not started".

launch.json: `{"argv": [...], "env": {...}, "cwd": "...", "output": "driver.log", "grace_s": 2.0, "owner": null,
"limits": {}}`; a relative `output` is next to it. `owner` is `{"uid", "gid", "groups"}` or null for the user that the
shim runs as; `limits` are resource limits by name ("nofile"), -1 being none. On SIGTERM all that the command started
gets SIGTERM, and SIGKILL after `grace_s`.

Source: prctl(2) PR_SET_CHILD_SUBREAPER, credentials(7); the shims of containerd and slurmstepd.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import sys
import time
from typing import Any

PR_SET_CHILD_SUBREAPER = 36
ALREADY_CLAIMED = 3
NO_ROOM = 4
_NOT_STARTED = 127
_DEFAULT_GRACE_S = 2.0
_LONGEST_ERROR = 500
_TERMINATIONS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FULL = (errno.ENOSPC, errno.EDQUOT)
_RESERVED = 4096  # bytes, a block: more than any end takes
_ROOM_PAUSE_S = 1.0
_WATCHED = (*_TERMINATIONS, signal.SIGCHLD)


def main(path: str) -> int:
    """Run the attempt that `path` (launch.json) describes; return 0 once its end is written."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _WATCHED)
    folder = os.path.dirname(os.path.abspath(path))
    with open(path, encoding="utf-8") as stream:
        launch = json.load(stream)
    if os.path.exists(os.path.join(folder, "claim")):
        return ALREADY_CLAIMED
    output = os.path.join(folder, launch.get("output", "driver.log"))
    draft = os.path.join(folder, f".exit.{os.getpid()}")
    try:
        _write_synced(draft, " " * _RESERVED)
        if not claim(folder):
            os.unlink(draft)
            return ALREADY_CLAIMED
    except OSError as error:
        _take_away(draft)
        if error.errno in _FULL:
            return NO_ROOM
        raise
    become_subreaper()
    began = time.monotonic()
    pid, problem = start(launch, output)
    code, number = lead(pid, launch.get("grace_s", _DEFAULT_GRACE_S))
    ended = {
        "exit_code": code,
        "signal": number,
        "ended_at": time.time(),
        "ran_s": time.monotonic() - began,
        "error": _said(problem),
    }
    write_whole(os.path.join(folder, "exit.json"), json.dumps(ended) + "\n", draft)
    return 0


def claim(folder: str) -> bool:
    """Make `claim` in the attempt's folder, whole at once; return False if somebody has it already."""
    pid = os.getpid()
    draft = os.path.join(folder, f".claim.{pid}")
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as stream:
        boot = stream.read().strip()
    try:
        _write_synced(draft, f"{pid} {_stat_fields(pid)[19]} {boot}\n")
        os.link(draft, os.path.join(folder, "claim"))  # unlike a rename, this fails where the name exists
    except FileExistsError:
        return False
    finally:
        _take_away(draft)
    _sync_folder(folder)
    return True


def become_subreaper() -> None:
    """Make every descendant that loses its parent a child of this process."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def start(launch: dict[str, Any], output: str) -> tuple[int, int]:
    """Start the command in its own process group as the attempt's owner; return its pid, and a pipe.

    If it cannot be started, the process ends with 127 and the reason is in the pipe, and in `output` if there is one.
    """
    problem, write_end = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    pid = os.fork()
    if pid:
        os.close(write_end)
        return pid, problem
    try:
        _become_command(launch, output)
    except Exception as error:
        text = getattr(error, "strerror", None) or str(error)
        os.write(write_end, f"cannot start {launch['argv'][0]}: {text}"[:_LONGEST_ERROR].encode(errors="replace"))
    finally:
        os._exit(_NOT_STARTED)  # whatever happens, this copy of the shim must not go on as one


def _become_command(launch: dict[str, Any], output: str) -> None:
    os.setpgid(0, 0)
    os.umask(0o077)
    become(launch.get("owner"), launch.get("limits") or {})
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
    log = os.open(output, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)  # the folder is the owner's, who may race us
    os.chdir(launch["cwd"])
    os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    for number in (*_WATCHED, signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores the last two
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    try:
        os.execve(launch["argv"][0], launch["argv"], launch["env"])
    except OSError as error:
        os.write(log, f"Cannot start {launch['argv'][0]}: {error.strerror}.\n".encode(errors="replace"))
        raise


def _said(problem: int) -> str | None:
    """Return what the pipe holds, without waiting: whoever could still write to it has ended."""
    try:
        return os.read(problem, _LONGEST_ERROR).decode(errors="replace") or None
    except BlockingIOError:
        return None
    finally:
        os.close(problem)


def become(owner: dict[str, Any] | None, limits: dict[str, int]) -> None:
    """Take on the limits, then the user and groups of `owner` for good.

    Without an owner this stays who it is, and a limit is no higher than what it may have.
    """
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name.upper()}")
        _, most = resource.getrlimit(number)
        is_more = most != resource.RLIM_INFINITY and (value == resource.RLIM_INFINITY or value > most)
        value = most if owner is None and is_more else value
        resource.setrlimit(number, (value, value))
    if owner is None:
        return
    uid, gid = owner["uid"], owner["gid"]
    os.setgroups(owner["groups"])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if os.getresuid() != (uid, uid, uid) or os.getresgid() != (gid, gid, gid):
        raise PermissionError("the kernel did not change the user")


def lead(pid: int, grace_s: float) -> tuple[int | None, int | None]:
    """Wait for the command and for the last of its descendants; return its exit code or its signal."""
    status: int | None = None
    kill_at: float | None = None
    while True:
        ended, is_last = reap(pid)
        status = ended if ended is not None else status
        if is_last:
            break
        if status is not None or (kill_at is not None and time.monotonic() >= kill_at):
            kill_tree(signal.SIGKILL)
        # Orphans turn up one generation at a time: while killing, look again soon.
        pause = 0.02 if status is not None else 60.0 if kill_at is None else 0.1
        caught = signal.sigtimedwait(_WATCHED, pause)
        if caught is not None and caught.si_signo in _TERMINATIONS and kill_at is None:
            kill_at = time.monotonic() + grace_s
            kill_tree(signal.SIGTERM)
    code = os.waitstatus_to_exitcode(status if status is not None else 0)
    return (code, None) if code >= 0 else (None, -code)


def reap(pid: int) -> tuple[int | None, bool]:
    """Take in the children that ended; return the wait status of `pid` if it did, and if none is left."""
    status = None
    while True:
        try:
            ended, ended_status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status, True
        if ended == 0:
            return status, False
        if ended == pid:
            status = ended_status


def kill_tree(number: int) -> None:
    """Send a signal to every living descendant, and to no process that has got the pid of one meanwhile."""
    for pid, start_time in _descendants(os.getpid()):
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            continue
        try:
            if _stat_fields(pid)[19] == start_time:  # from here on the descriptor cannot mean another process
                signal.pidfd_send_signal(descriptor, number)
        except OSError:
            continue
        finally:
            os.close(descriptor)


def write_whole(path: str, text: str, draft: str) -> None:
    """Write a file that readers see complete or not at all, also after a power cut.

    `draft` is a file that has the room for it already, so that a disk that is full by now does not matter.
    """
    while True:
        try:
            _write_synced(draft, text)
            os.replace(draft, path)
            break
        except OSError as error:
            if error.errno not in _FULL:
                raise
        time.sleep(_ROOM_PAUSE_S)
    _sync_folder(os.path.dirname(path))


def _descendants(root: int) -> list[tuple[int, str]]:
    """Return pid and start time of all that descends from a process."""
    children: dict[int, list[tuple[int, str]]] = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            try:
                fields = _stat_fields(int(name))
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append((int(name), fields[19]))
    found: list[tuple[int, str]] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += [pid for pid, _ in below]
    return found


def _stat_fields(pid: int) -> list[str]:
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stream:
        return stream.read(4096).rpartition(")")[2].split()  # from field 3 (state) on


def _write_synced(path: str, text: str) -> None:
    """Write a file in the place of what it held: the room that it has is not given back before."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        data = text.encode()
        written = 0
        while written < len(data):
            written += os.write(descriptor, data[written:])
        os.ftruncate(descriptor, len(data))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _take_away(path: str) -> None:
    try:  # noqa: SIM105 - contextlib would cost start-up time
        os.unlink(path)
    except FileNotFoundError:
        pass


def _sync_folder(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
