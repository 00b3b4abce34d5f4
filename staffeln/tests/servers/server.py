# SPDX-License-Identifier: Apache-2.0
"""A database server as a child process, for as long as the tests run."""

from __future__ import annotations

import atexit
import itertools
import os
import pathlib
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence

START_LIMIT = 60
"""Seconds that a server may take to answer; more is a failure."""

USER = "staffeln"


class ServerError(Exception):
    """A server cannot be run; one line, then its own words."""


class Server:
    """What both kinds of servers share.

    :raises ServerError: the package is missing, or it does not start.
    """

    package = ""
    """The package of Debian that brings it."""
    account = ""
    """The account that root runs it as; that of the package."""
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.password = secrets.token_urlsafe(12)
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._folder = pathlib.Path(tempfile.mkdtemp(prefix="staffeln-db-"))
        atexit.register(self.stop)
        try:
            self._give_away(self._folder)
            self.prepare(self._folder)
            self.port = self._start()
        except BaseException:
            self.stop()
            raise

    # What a kind of server does in its own way.

    def prepare(self, folder: pathlib.Path) -> None:
        """Make the files of a new server in the folder."""
        raise NotImplementedError

    def command(self, folder: pathlib.Path, port: int) -> Sequence[str]:
        """The command that runs it in the foreground."""
        raise NotImplementedError

    def execute(self, statement: str) -> None:
        """Run a statement outside of any transaction."""
        raise NotImplementedError

    def url(self, database: str) -> str:
        """The URL of one of its databases, with the password."""
        raise NotImplementedError

    # What is the same for all.

    def new_database(self) -> str:
        """Make an empty database; returns its URL."""
        name = f"test_{os.getpid()}_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def stop(self) -> None:
        """Stop the server and remove its files; harmless when stopped."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(self.stop_signal)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def find(self, program: str, *folders: str) -> str:
        """The path of a program of the package."""
        where = os.pathsep.join([*folders, os.environ.get("PATH", "")])
        found = shutil.which(program, path=where)
        if found is None:
            raise ServerError(
                f"{program} is not installed, so this test cannot run: "
                f"apt-get install {self.package}"
            )
        return found

    def run(self, *command: str) -> None:
        """Run a command of the package to its end."""
        done = subprocess.run(
            [*self._as_account(), *command],
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            words = done.stdout.decode(errors="replace")
            raise ServerError(f"{command[0]} failed:\n{words}")

    def write(self, path: pathlib.Path, text: str) -> pathlib.Path:
        """Write a file that only the server's account can read."""
        path.touch(mode=0o600)
        path.write_text(text)
        self._give_away(path)
        return path

    def _start(self) -> int:
        """Start it on a free port; another may take it first, so try."""
        for _ in range(3):
            port = _free_port()
            log = self._folder / f"{port}.log"
            with log.open("wb") as out:
                # The kernel ends it when this process is killed.
                self._process = subprocess.Popen(
                    [
                        *self._as_account(),
                        *self.command(self._folder, port),
                    ],
                    cwd=self._folder,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )
            self.port = port
            if self._answers():
                return port
        words = log.read_text(errors="replace")[-3000:]
        raise ServerError(f"{self.package} does not start:\n{words}")

    def _answers(self) -> bool:
        """Wait until it answers, or has ended."""
        assert self._process
        end = time.monotonic() + START_LIMIT
        while self._process.poll() is None and time.monotonic() < end:
            try:
                self.execute("SELECT 1")
            except Exception:  # noqa: BLE001  whatever its driver says
                time.sleep(0.05)
            else:
                return True
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        return False

    def _as_account(self) -> list[str]:
        setpriv = ["setpriv", f"--pdeathsig={self.stop_signal.name[3:]}"]
        if os.geteuid():
            return [*setpriv, "--"]
        return [
            *setpriv,
            f"--reuid={self.account}",
            f"--regid={self.account}",
            "--init-groups",
            "--",
        ]

    def _give_away(self, path: pathlib.Path) -> None:
        if os.geteuid():
            return
        try:
            owner = pwd.getpwnam(self.account)
        except KeyError:
            raise ServerError(
                f"there is no account {self.account}, so this test cannot "
                f"run: apt-get install {self.package}"
            ) from None
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
