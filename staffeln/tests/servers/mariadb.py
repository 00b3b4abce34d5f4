# SPDX-License-Identifier: Apache-2.0
"""A MariaDB server for tests."""

from __future__ import annotations

import functools
import os
import pathlib
import pwd
import signal

import pymysql

from staffeln.tests.servers import freezable, process

PACKAGE = "mariadb-server"
_FOLDERS = [
    pathlib.Path(each)
    for each in ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")
]
_FAST = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=64M",
    "--skip-log-bin",
    "--performance-schema=off",
    "--skip-name-resolve",
)


class Databases:
    """The databases of a server that runs; each is made by a test."""

    scheme = "mysql+pymysql"
    password = "mariadb-secret"

    @property
    def port(self) -> int:
        """The port of loopback that the server listens on."""
        raise NotImplementedError

    def make_user(self) -> None:
        """Make the user that the URLs name."""
        self.run(f"CREATE USER tester@'%' IDENTIFIED BY '{self.password}'")
        self.run("GRANT ALL ON *.* TO tester@'%'")

    def run(self, statement: str, database: str | None = None) -> None:
        """Run statements as the administrator."""
        with connect(self.port, database) as connection:
            cursor = connection.cursor()
            cursor.execute(statement)
            while cursor.nextset():
                pass
            connection.commit()

    def create(self, name: str) -> str:
        """Make a database; returns its URL."""
        # As Debian's default: what a table does not say itself is utf8mb4.
        self.run(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database."""
        self.run(f"DROP DATABASE {name}")

    def url(self, name: str) -> str:
        """The URL of a database, with the password."""
        return (
            f"{self.scheme}://tester:{self.password}@127.0.0.1:{self.port}"
            f"/{name}"
        )

    def kill_connections(self, name: str) -> int:
        """Close all connections to a database; returns how many."""
        with connect(self.port, None) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE db = %s",
                (name,),
            )
            found = [row[0] for row in cursor.fetchall()]
            for each in found:
                cursor.execute(f"KILL {each}")
        return len(found)


class MariaDB(Databases):
    """A server of our own."""

    def __init__(self, *options: str) -> None:
        """:param options: of the server, over those of the tests.

        :raises ServerError: it cannot be started, in one line.
        """
        folder = process.make_folder(None)
        make_data(folder)
        self._process = freezable.Freezable(
            folder,
            lambda port: [*command(folder, port), *options],
            _answers,
            signal.SIGTERM,
        )
        self.make_user()

    @property
    def port(self) -> int:
        return self._process.port

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the server and keep its data."""
        self._process.send(number)
        self._process.end()

    def start(self) -> None:
        """Start it again with its port and data; harmless when it runs."""
        self._process.start()

    def freeze(self) -> None:
        """Let it stand still."""
        self._process.freeze()

    def thaw(self) -> None:
        """Let it go on; harmless when it does."""
        self._process.thaw()

    def stop(self) -> None:
        """End the server and remove its data."""
        self._process.stop()


def make_data(folder: pathlib.Path, owner: str | None = None) -> None:
    """Make the data of a server in a folder of its own.

    :param owner: the user that the server is to run as; None: ourselves.
    :raises ServerError: it cannot be made, in one line.
    """
    install = process.find("mariadb-install-db", PACKAGE, _FOLDERS)
    process.run_once(
        [
            *process.as_user(owner),
            install,
            "--no-defaults",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            f"--datadir={folder / 'data'}",
            _user(owner),
        ],
        folder,
    )


def command(
    folder: pathlib.Path, port: int, owner: str | None = None
) -> list[str]:
    """What starts the server that has its data in a folder.

    :raises ServerError: there is no server on this machine.
    """
    return [
        *process.as_user(owner),
        process.find("mariadbd", PACKAGE, _FOLDERS),
        "--no-defaults",
        f"--datadir={folder / 'data'}",
        f"--socket={folder / 'socket'}",
        f"--pid-file={folder / 'pid'}",
        "--bind-address=127.0.0.1",
        f"--port={port}",
        _user(owner),
        *_FAST,
    ]


def _user(owner: str | None) -> str:
    return f"--user={owner or pwd.getpwuid(os.getuid()).pw_name}"


def connect(port: int, database: str | None) -> pymysql.Connection:
    """Connect as the administrator."""
    return pymysql.connect(
        host="127.0.0.1",
        port=port,
        user="root",
        database=database,
        connect_timeout=10,
        client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS,
    )


def _answers(port: int) -> bool:
    try:
        connect(port, None).close()
    except pymysql.Error:
        return False
    return True


@functools.cache
def shared() -> MariaDB:
    """One server for all tests of this process; it ends with it."""
    return MariaDB()
