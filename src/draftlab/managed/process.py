"""One server in a process group of its own, ended with the run; nothing is ended that was not started here."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psutil

from draftlab.endpoint.client import Client, Patience
from draftlab.errors import DraftlabError
from draftlab.managed.engines import Launch

READY_S = 900.0
"""Loading and compiling take minutes on a CPU."""
_POLL_S = 0.5
_GRACE_S = 20.0
_TOLD = 3  # last lines of the log
_LOOK = Patience(connect=2.0, silence=5.0, connection_attempts=1)

Report = Callable[[str], None]


@contextmanager
def started(name: str, launch: Launch, folder: Path, say: Report, ready_s: float = READY_S) -> Iterator[str]:
    """Run a server until the block ends; its address, once it is ready. Its log is `folder`/`name`.log."""
    folder.mkdir(parents=True, exist_ok=True)
    note = folder / f"{name}.pid"
    _end_left_over(note)
    port = _free_port()
    log, config = folder / f"{name}.log", folder / f"{name}.yaml"
    if launch.config is not None:
        config.write_text(launch.config, encoding="utf-8")
    command = launch.words(port, config.absolute())
    own = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    say(f"starting the {name} server; its log is {log}")
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**own, **launch.environment},
                start_new_session=True,  # Ctrl-C reaches this program alone, which then ends the server
            )
        except OSError as error:
            raise DraftlabError(
                f"cannot start {command[0]}: {error.strerror}", "Name the program with --engine-program."
            ) from error
    try:
        with suppress(psutil.NoSuchProcess):
            note.write_text(json.dumps([process.pid, psutil.Process(process.pid).create_time()]), encoding="utf-8")
        url = f"http://127.0.0.1:{port}/v1"
        _wait(name, process, url, log, ready_s)
        yield url
    finally:
        _end(process)
        note.unlink(missing_ok=True)


def _wait(name: str, process: subprocess.Popen[bytes], url: str, log: Path, ready_s: float) -> None:
    give_up = time.monotonic() + ready_s
    while True:
        if process.poll() is not None:
            raise DraftlabError(
                f"the {name} server ended with status {process.returncode} before it was ready: {_last_words(log)}",
                f"Its log is {log}.",
            )
        with suppress(DraftlabError), Client(url, patience=_LOOK) as client:
            client.models()
            return
        if time.monotonic() > give_up:
            raise DraftlabError(
                f"the {name} server was not ready within {ready_s:g} s: {_last_words(log)}", f"Its log is {log}."
            )
        time.sleep(_POLL_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole group to end, then make it."""
    for sign, patience in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
        with suppress(ProcessLookupError):  # workers may outlive their parent: the group is asked in any case
            os.killpg(process.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=patience)
        if process.poll() is not None and not _group_lives(process.pid):
            return


def _group_lives(group: int) -> bool:
    give_up = time.monotonic() + _POLL_S
    while time.monotonic() < give_up:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return False
        time.sleep(_POLL_S / 10)
    return True


def end_left_overs(folder: Path) -> None:
    """End what a run that was killed could not end, before memory is counted and anything is started."""
    for note in folder.glob("*.pid"):
        _end_left_over(note)


def _end_left_over(note: Path) -> None:
    """The number alone may be another program's by now."""
    with suppress(OSError, ValueError, TypeError, psutil.Error):
        pid, born = json.loads(note.read_text(encoding="utf-8"))
        if abs(psutil.Process(pid).create_time() - born) < 1.0:
            os.killpg(pid, signal.SIGKILL)
            give_up = time.monotonic() + _GRACE_S
            while _group_lives(pid) and time.monotonic() < give_up:  # until then its memory is not free
                pass


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _last_words(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if "Error" in line or "error:" in line]
    telling = [line for line in errors if "root cause above" not in line][-1:]  # vLLM's last word names no reason
    return " | ".join(telling or lines[-_TOLD:])[-500:] or "it said nothing"
