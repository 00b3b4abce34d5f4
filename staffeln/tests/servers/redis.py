# SPDX-License-Identifier: Apache-2.0
"""A Redis server for tests, with a password."""

from __future__ import annotations

import functools
import pathlib
import signal
import socket

from staffeln.tests.servers import freezable, process

PACKAGE = "redis-server"
PASSWORD = "redis-geheim"
_FOLDERS = [pathlib.Path(each) for each in ("/usr/bin", "/usr/local/bin")]


class Redis(freezable.Freezable):
    """A server that keeps its data through a restart."""

    def __init__(self) -> None:
        """:raises ServerError: it cannot be started, in one line."""
        server = process.find("redis-server", PACKAGE, _FOLDERS)
        folder = process.make_folder(None)
        super().__init__(
            folder,
            lambda port: [
                *process.as_user(None),
                server,
                "--bind",
                "127.0.0.1",
                "--port",
                str(port),
                "--requirepass",
                PASSWORD,
                "--dir",
                str(folder),
                "--appendonly",
                "yes",
                "--save",
                "",
            ],
            _answers,
            signal.SIGTERM,
        )

    @property
    def url(self) -> str:
        """The URL for ``[coordination] backend_url``."""
        return self.url_with(PASSWORD)

    def url_with(self, password: str) -> str:
        """The same, logging in with another password."""
        return f"redis://default:{password}@127.0.0.1:{self.port}"

    def ask(self, command: str) -> str:
        """The first line of its answer to a command."""
        return _ask(self.port, f"AUTH {PASSWORD}", command)

    def called(self, *commands: str) -> list[str]:
        """Which of these commands were called since CONFIG RESETSTAT."""
        lines = _ask_lines(self.port, f"AUTH {PASSWORD}", "INFO commandstats")
        return [
            each
            for each in commands
            if any(line.startswith(f"cmdstat_{each}:") for line in lines)
        ]

    def clear(self) -> None:
        """Remove all keys."""
        self.ask("FLUSHALL")


def _ask(port: int, *commands: str) -> str:
    return _ask_lines(port, *commands)[0]


def _ask_lines(port: int, *commands: str) -> list[str]:
    """The answer to the last of some commands."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as link,
        link.makefile("rw", newline="\r\n") as lines,
    ):
        for command in commands:
            lines.write(f"{command}\r\n")
            lines.flush()
            first = lines.readline().strip()
        if not first.startswith("$"):
            return [first]
        return lines.read(int(first[1:])).splitlines()


def _answers(port: int) -> bool:
    try:
        return _ask(port, f"AUTH {PASSWORD}", "PING") == "+PONG"
    except OSError:
        return False


@functools.cache
def shared() -> Redis:
    """One server for all tests of this process; it ends with it."""
    return Redis()
