# SPDX-License-Identifier: Apache-2.0
"""A MariaDB server for tests."""

from __future__ import annotations

import functools
import os
import pathlib
import pwd
import signal

import pymysql

from staffeln.tests.servers import process

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


class MariaDB:
    """A server of our own; every database in it is made by a test."""

    scheme = "mysql+pymysql"

    def __init__(self) -> None:
        """:raises ServerError: it cannot be started, in one line."""
        server = process.find("mariadbd", PACKAGE, _FOLDERS)
        install = process.find("mariadb-install-db", PACKAGE, _FOLDERS)
        user = f"--user={pwd.getpwuid(os.getuid()).pw_name}"
        folder = process.make_folder(None)
        data = folder / "data"
        process.run_once(
            [
                *process.as_user(None),
                install,
                "--no-defaults",
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                f"--datadir={data}",
                user,
            ],
            folder,
        )
        self._process = process.Process(
            folder,
            lambda port: [
                *process.as_user(None),
                server,
                "--no-defaults",
                f"--datadir={data}",
                f"--socket={folder / 'socket'}",
                f"--pid-file={folder / 'pid'}",
                "--bind-address=127.0.0.1",
                f"--port={port}",
                user,
                *_FAST,
            ],
            _answers,
            signal.SIGTERM,
        )
        self._password = "mariadb-secret"
        self.run("CREATE USER tester@'%' IDENTIFIED BY 'mariadb-secret'")
        self.run("GRANT ALL ON *.* TO tester@'%'")

    @property
    def port(self) -> int:
        """The port of loopback that it listens on."""
        return self._process.port

    def stop(self) -> None:
        """End the server and remove its data."""
        self._process.stop()

    def run(self, statement: str, database: str | None = None) -> None:
        """Run statements as the administrator."""
        with _connect(self.port, database) as connection:
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
            f"{self.scheme}://tester:{self._password}@127.0.0.1:{self.port}"
            f"/{name}"
        )

    def kill_connections(self, name: str) -> int:
        """Close all connections to a database; returns how many."""
        with _connect(self.port, None) as connection:
            cursor = connection.cursor()
            cursor.execute(
                "SELECT id FROM information_schema.processlist WHERE db = %s",
                (name,),
            )
            found = [row[0] for row in cursor.fetchall()]
            for each in found:
                cursor.execute(f"KILL {each}")
        return len(found)


def _connect(port: int, database: str | None) -> pymysql.Connection:
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
        _connect(port, None).close()
    except pymysql.Error:
        return False
    return True


@functools.cache
def shared() -> MariaDB:
    """One server for all tests of this process; it ends with it."""
    return MariaDB()
