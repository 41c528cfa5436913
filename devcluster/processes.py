"""Child processes that cannot outlive their cluster.

Three nets, one below the other: the supervisor stops its children; if it is killed, the kernel
kills them (PR_SET_PDEATHSIG, Linux); if even that is not there, the next ``start`` or ``stop``
finds them by their pid files. A pid file holds the process's start time too, because a pid
alone may by then belong to a stranger.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
_HAS_PROC = Path("/proc/self/stat").exists()


@dataclass(frozen=True)
class Command:
    """One program to run: the name of its log and pid file, and its arguments."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    stop_with: signal.Signals = signal.SIGKILL
    """Nothing of a throw-away control plane is worth a graceful end, which takes the API server
    up to a minute; programs with containers or mounts override this."""


class Children:
    """The running processes of one cluster, in the order in which they were started."""

    def __init__(self, pids: Path, logs: Path) -> None:
        self._pids = pids
        self._logs = logs
        self._running: dict[str, tuple[Command, subprocess.Popen[bytes]]] = {}

    def start(self, command: Command) -> None:
        """Start one program; its output is appended to its log."""
        with (self._logs / f"{command.name}.log").open("ab") as log:
            process = subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **command.env},
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - the supervisor has one thread
            )
        self._running[command.name] = (command, process)
        write_pid_file(self._pids / command.name, process.pid)

    def ended(self) -> list[tuple[Command, int]]:
        """The programs that ended by themselves since the last call, with their exit codes."""
        gone = [
            (command, process.returncode)
            for command, process in self._running.values()
            if process.poll() is not None
        ]
        for command, _ in gone:
            del self._running[command.name]
            (self._pids / command.name).unlink(missing_ok=True)
        return gone

    def stop(self, name: str, *, patience_seconds: float = 10) -> None:
        """Stop one program and wait for its end."""
        if name not in self._running:
            return
        command, process = self._running.pop(name)
        process.send_signal(command.stop_with)
        try:
            process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        (self._pids / name).unlink(missing_ok=True)

    def stop_all(self) -> None:
        """Stop everything, the last started first."""
        for name in reversed(list(self._running)):
            self.stop(name)


def write_pid_file(path: Path, pid: int) -> None:
    """Remember a process by its id and its start time."""
    path.write_text(f"{pid} {start_mark(pid)}")


def read_pid_file(path: Path) -> int | None:
    """The id of the process that ``path`` remembers, if that very process still runs."""
    try:
        pid, mark = path.read_text().split(maxsplit=1)
    except (FileNotFoundError, ValueError):
        return None
    return int(pid) if start_mark(int(pid)) == mark else None


def kill_remembered(folder: Path) -> list[str]:
    """Kill what the pid files in ``folder`` still find running; their names."""
    found: list[str] = []
    for path in sorted(folder.glob("*")):
        pid = read_pid_file(path)
        if pid is not None:
            found.append(path.name)
            end(pid, patience_seconds=0)
        path.unlink(missing_ok=True)
    return found


def end(pid: int, *, patience_seconds: float) -> None:
    """End a process that is not our child: politely, then not."""
    mark = start_mark(pid)
    for sign, patience in ((signal.SIGTERM, patience_seconds), (signal.SIGKILL, 10.0)):
        if patience == 0:
            continue
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if start_mark(pid) != mark:
                return
            time.sleep(0.02)


def start_mark(pid: int) -> str | None:
    """When the process began, in whatever form the system tells it; None when it is gone."""
    if _HAS_PROC:
        try:
            # The name may hold spaces and parentheses: count fields from the last one on.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        state, start_time = fields[0], fields[19]
        return None if state in "ZX" else start_time
    result = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return result.stdout.strip() or None


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
