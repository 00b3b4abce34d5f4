# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server for tests."""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import pwd
import signal

import psycopg2

from staffeln.tests.servers import process

PACKAGE = "postgresql"
_VERSIONS = pathlib.Path("/usr/lib/postgresql")
_FAST = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "shared_buffers=64MB",
    "max_connections=100",
    "autovacuum=off",
    "deadlock_timeout=50ms",
)


class PostgreSQL:
    """A server of our own; every database in it is made by a test."""

    scheme = "postgresql+psycopg2"

    def __init__(self) -> None:
        """:raises ServerError: it cannot be started, in one line."""
        server = process.find("postgres", PACKAGE, _programs())
        initdb = process.find("initdb", PACKAGE, _programs())
        owner = _owner()
        folder = process.make_folder(owner)
        data = folder / "data"
        self._password = "postgresql-secret"
        secret = folder / "password"
        secret.write_text(self._password)
        secret.chmod(0o644)
        process.run_once(
            [
                *process.as_user(owner),
                initdb,
                "--auth=scram-sha-256",
                "--username=tester",
                f"--pwfile={secret}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                str(data),
            ],
            folder,
        )
        self._process = process.Process(
            folder,
            lambda port: [
                *process.as_user(owner),
                server,
                "-D",
                str(data),
                "-h",
                "127.0.0.1",
                "-k",
                str(folder),
                "-p",
                str(port),
                *(f"--{each}" for each in _FAST),
            ],
            self._answers,
            signal.SIGINT,
        )

    @property
    def port(self) -> int:
        """The port of loopback that it listens on."""
        return self._process.port

    def stop(self) -> None:
        """End the server and remove its data."""
        self._process.stop()

    def run(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the administrator."""
        with contextlib.closing(
            psycopg2.connect(self._dsn(self.port, database))
        ) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def create(self, name: str) -> str:
        """Make a database; returns its URL."""
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database."""
        self.run(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        """The URL of a database, with the password."""
        return (
            f"{self.scheme}://tester:{self._password}@127.0.0.1:{self.port}"
            f"/{name}"
        )

    def end(self) -> None:
        """End the server and keep its data."""
        self._process.end()

    def start(self) -> None:
        """Start it again with its port and data; harmless when it runs."""
        self._process.start()

    def freeze(self) -> None:
        """Let it stand still, with all that serve its connections."""
        self._send_to_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on; harmless when it does."""
        self._send_to_all(signal.SIGCONT)

    def _send_to_all(self, number: signal.Signals) -> None:
        # The first one first: it makes more when it is asked.
        pid = self._process.pid
        os.kill(pid, number)
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        for each in children.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(each), number)

    def kill_connections(self, name: str) -> int:
        """Close all connections to a database; returns how many."""
        with contextlib.closing(
            psycopg2.connect(self._dsn(self.port, "postgres"))
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT pg_terminate_backend(pid, 10000) "
                "FROM pg_stat_activity WHERE datname = %s",
                (name,),
            )
            return len(cursor.fetchall())

    def _answers(self, port: int) -> bool:
        try:
            psycopg2.connect(self._dsn(port, "postgres")).close()
        except psycopg2.Error:
            return False
        return True

    def _dsn(self, port: int, database: str) -> str:
        return (
            f"host=127.0.0.1 port={port} user=tester dbname={database} "
            f"password={self._password} connect_timeout=10"
        )


def _programs() -> list[pathlib.Path]:
    """Folders with PostgreSQL's programs, the newest version first."""
    found = [
        each
        for each in _VERSIONS.glob("*")
        if each.name.isdigit() and (each / "bin").is_dir()
    ]
    found.sort(key=lambda each: int(each.name), reverse=True)
    return [each / "bin" for each in found]


def _owner() -> str | None:
    """Whom the server runs as: it refuses to run as root."""
    if os.getuid() != 0:
        return None
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("postgres").pw_name
    return "nobody"


@functools.cache
def shared() -> PostgreSQL:
    """One server for all tests of this process; it ends with it."""
    return PostgreSQL()
