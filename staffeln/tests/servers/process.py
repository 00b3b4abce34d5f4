# SPDX-License-Identifier: Apache-2.0
"""A server's process: started on a free port, and surely stopped."""

from __future__ import annotations

import atexit
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence

from staffeln.tests import base

START_LIMIT = 120
"""Seconds that a server may take until it answers, on a busy machine."""
STOP_LIMIT = 30
PORTS_TRIED = 3


class ServerError(Exception):
    """A server cannot be started; one line says why."""


def free_port() -> int:
    """A port of loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def find(name: str, package: str, folders: Sequence[pathlib.Path]) -> str:
    """Where a program is.

    :raises ServerError: nowhere; names the package of Debian that has it.
    """
    for folder in folders:
        if (folder / name).is_file():
            return str(folder / name)
    raise ServerError(
        f"there is no {name} on this machine: install Debian's package "
        f"{package} (tools/test.sh does)"
    )


def cache() -> pathlib.Path:
    """Where tools/test.sh keeps what it makes once and uses again."""
    host = base.HOST_ENVIRONMENT
    caches = host.get("XDG_CACHE_HOME") or f"{host.get('HOME', '')}/.cache"
    found = host.get("STAFFELN_CACHE") or f"{caches}/staffeln"
    return pathlib.Path(found).resolve()


def make_folder(owner: str | None) -> pathlib.Path:
    """A temporary folder that the server's user may write to."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="staffeln-"))
    if owner is not None:
        shutil.chown(folder, owner)
    return folder


def as_user(owner: str | None) -> list[str]:
    """What comes before a command, so that it runs as a user.

    The kernel ends it together with the process that started it.
    """
    command = ["setpriv", "--pdeathsig", "KILL"]
    if owner is not None:
        account = pwd.getpwnam(owner)
        command += [
            f"--reuid={account.pw_uid}",
            f"--regid={account.pw_gid}",
            "--clear-groups",
        ]
    return command


def environment(folder: pathlib.Path) -> dict[str, str]:
    """Nothing of the host's but where programs are."""
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
    }


def run_once(command: Sequence[str], folder: pathlib.Path) -> None:
    """Run a command that makes a server's data.

    :raises ServerError: it failed; with its last words.
    """
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ServerError(
            f"{command[-1]}: exit code {done.returncode}: {done.stdout[-500:]}"
        )


def await_true(condition: Callable[[], bool], otherwise: str) -> None:
    """Return when a condition holds.

    :raises ServerError: it does not in the time of a start.
    """
    limit = time.monotonic() + START_LIMIT
    while not condition():
        if time.monotonic() > limit:
            raise ServerError(otherwise)
        time.sleep(0.05)


class Process:
    """A server that runs until :meth:`stop` or until this process ends."""

    def __init__(
        self,
        folder: pathlib.Path,
        command: Callable[[int], Sequence[str]],
        answers: Callable[[int], bool],
        stop_signal: signal.Signals,
    ) -> None:
        """:param command: the command for a port.

        :param answers: whether the server on a port takes connections.
        :raises ServerError: it does not come up.
        """
        self.folder = folder
        self._command = command
        self._answers = answers
        self._stop_signal = stop_signal
        self._running: subprocess.Popen[bytes] | None = None
        atexit.register(self.stop)
        try:
            self.port = self._first_start()
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The number of the process that runs."""
        assert self._running
        return self._running.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; harmless when it does not run."""
        if self._running is not None:
            self._running.send_signal(number)

    def end(self) -> None:
        """End it and keep its data; harmless when it does not run."""
        self._end()

    def start(self) -> None:
        """Start it again with its port and data; harmless when it runs.

        :raises ServerError: it does not come up.
        """
        if self._running is None and not self._launch(self.port):
            raise self._failure()

    def restart(self) -> None:
        """End it and start it again, with its port and data.

        :raises ServerError: it does not come up.
        """
        self.end()
        self.start()

    def _first_start(self) -> int:
        for _ in range(PORTS_TRIED):
            # Somebody else may take the port before the server does.
            port = free_port()
            if self._launch(port):
                return port
        raise self._failure()

    def _launch(self, port: int) -> bool:
        """Start it once; whether it answers."""
        with (self.folder / "log").open("wb") as log:
            self._running = subprocess.Popen(
                self._command(port),
                cwd=self.folder,
                env=environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        limit = time.monotonic() + START_LIMIT
        while self._running.poll() is None and time.monotonic() < limit:
            if self._answers(port):
                return True
            time.sleep(0.05)
        self._end()
        return False

    def _failure(self) -> ServerError:
        log_text = (self.folder / "log").read_text(errors="replace")
        return ServerError(f"the server does not come up: {log_text[-800:]}")

    def stop(self) -> None:
        """End the server and remove its data; harmless when it is done."""
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def _end(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        running.send_signal(self._stop_signal)
        running.send_signal(signal.SIGCONT)  # one that stands still hears it
        try:
            running.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()
