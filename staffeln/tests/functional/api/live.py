# SPDX-License-Identifier: Apache-2.0
"""A real ``staffeln-api`` in a process of its own, and clients of it."""

from __future__ import annotations

import collections
import contextlib
import http.client
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from staffeln.db import migration, rows, session
from staffeln.tests import base
from staffeln.tests.functional.db import databases
from staffeln.tests.servers import process
from staffeln.tests.unit.domain import samples

LIMIT = 60
"""Seconds for whatever has to happen, on a busy machine."""

USER = "0" * 32


class Api:
    """The process, with a database of its own and a configuration file."""

    def __init__(self, folder: pathlib.Path, url: str | None = None) -> None:
        """:param url: of an empty database; None: a file in the folder."""
        self.folder = folder
        self.port = process.free_port()
        self.url = url or f"sqlite:///{folder / 'staffeln.sqlite'}"
        self.log_file = folder / "api.log"
        self._process: subprocess.Popen[str] | None = None
        self._workers: Any = 0
        with self._connected() as database:
            migration.create_schema(database)
            with database.engine.begin() as connection:
                connection.execute(
                    sa.update(rows.DEPLOYMENT).values(
                        auth_url="http://k",
                        region="r",
                        block_storage_url="http://c",
                        user_id=USER,
                    )
                )

    @contextlib.contextmanager
    def _connected(self) -> Iterator[session.Database]:
        database = session.connect(
            databases.configuration(self.url), create=True
        )
        with contextlib.closing(database):
            yield database

    def manage(self) -> str:
        """The id of a new backup that has a row."""
        backup_id = str(uuid.uuid4())
        values = rows.backup_values(
            samples.backup(backup_id, updated_at=samples.NOW)
        )
        with (
            self._connected() as database,
            database.engine.begin() as connection,
        ):
            connection.execute(sa.insert(rows.BACKUPS), values)
        return backup_id

    def configure(self, **options: object) -> None:
        """Write the configuration; options of group [api]."""
        found = {"port": self.port, "workers": 2, **options}
        self._workers = found["workers"]
        lines = [f"{name} = {value}" for name, value in found.items()]
        (self.folder / "staffeln.conf").write_text(
            f"[DEFAULT]\nstate_path = {self.folder}\n"
            f"log_file = {self.log_file}\n"
            f"[database]\nconnection = {self.url}\n"
            "[api]\n" + "\n".join(lines) + "\n"
        )

    def start(
        self, *, cwd: pathlib.Path | None = None, **environment: str
    ) -> None:
        """Start in a working directory, and wait until it has workers."""
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "staffeln.cmd.api",
                "--config-file",
                str(self.folder / "staffeln.conf"),
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.folder),
                "TMPDIR": str(self.folder),
                "PYTHONPATH": os.pathsep.join(sys.path),
                "PYTHONWARNINGS": "ignore",
                **environment,
            },
            stdout=subprocess.DEVNULL,
            cwd=cwd,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.wait_for_log("Booting worker with pid", self._workers)

    def kill(self) -> None:
        """End the whole process group, whatever it does."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()

    def tell(self, number: signal.Signals) -> None:
        """Send the first process a signal."""
        assert self._process
        self._process.send_signal(number)

    def wait(self) -> tuple[int, str]:
        """Wait for its end: exit code, and what it printed as errors."""
        assert self._process
        _, said = self._process.communicate(timeout=LIMIT)
        return self._process.returncode, said

    def workers(self) -> dict[int, int]:
        """The memory of each worker process in KiB, by number."""
        assert self._process
        pid = self._process.pid
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children")
        sizes = {int(x): _rss(int(x)) for x in children.read_text().split()}
        return {pid: size for pid, size in sizes.items() if size}

    def log(self) -> str:
        """What it logged."""
        return self.log_file.read_text() if self.log_file.exists() else ""

    def wait_for_log(self, expression: str, times: int = 1) -> None:
        """Wait until so many lines of the log have the expression."""
        self.wait_until(
            lambda: len(re.findall(expression, self.log())) >= times,
            f"{times} times {expression!r}",
        )

    def wait_until(self, holds: Callable[[], object], what: str) -> None:
        """Wait until something holds, while the process lives."""
        assert self._process
        limit = time.monotonic() + LIMIT
        while not holds():
            if self._process.poll() is not None:
                raise AssertionError(f"it ended: {self.log()[-2000:]}")
            if time.monotonic() > limit:
                raise AssertionError(f"no {what}: {self.log()[-2000:]}")
            threading.Event().wait(0.05)

    # -- asking ------------------------------------------------------------

    def connection(
        self, context: ssl.SSLContext | None = None, port: int | None = None
    ) -> http.client.HTTPConnection:
        """A connection to it, which is not made yet."""
        where = ("127.0.0.1", port or self.port)
        if context is None:
            return http.client.HTTPConnection(*where, timeout=LIMIT)
        return http.client.HTTPSConnection(
            *where, timeout=LIMIT, context=context
        )

    def get(self, path: str, port: int | None = None) -> tuple[int, str]:
        """Status and text of a GET."""
        with contextlib.closing(self.connection(port=port)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def check(
        self, backup_id: str, context: ssl.SSLContext | None = None
    ) -> str:
        """The text of a check's answer."""
        with contextlib.closing(self.connection(context)) as connection:
            return check_on(connection, backup_id)


def check_on(
    connection: http.client.HTTPConnection,
    backup_id: str,
    headers: Mapping[str, str] | None = None,
) -> str:
    """The text of a check's answer."""
    connection.request(
        "POST", f"/v1/backup?backup_id={backup_id}", headers=headers or {}
    )
    answer = connection.getresponse()
    text = answer.read().decode()
    if answer.status != 200:
        raise AssertionError(f"status {answer.status}: {text}")
    return text


@contextlib.contextmanager
def trickling(to: socket.socket, head: bytes) -> Iterator[None]:
    """Send a beginning, then a byte now and then while the block lasts."""
    over = threading.Event()

    def run() -> None:
        with contextlib.suppress(OSError):
            to.sendall(head)
            while not over.wait(0.1):
                to.sendall(b"x")

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class Load:
    """Clients that ask without a pause; half of them keep connections."""

    def __init__(self, api: Api, managed: str, clients: int = 6) -> None:
        self._api = api
        self._managed = managed
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.told: collections.Counter[str] = collections.Counter()
        """How often what came: texts of answers, ``refused``, failures."""
        self._threads = [
            threading.Thread(target=self._ask, args=(bool(number % 2),))
            for number in range(clients)
        ]

    @contextlib.contextmanager
    def running(self) -> Iterator[Load]:
        """Ask for as long as the block lasts."""
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join(LIMIT)

    def answers(self) -> int:
        """How many answers there were."""
        with self._lock:
            return self.told["managed False"] + self.told["other True"]

    def _ask(self, keep: bool) -> None:
        connection = None
        while not self._over.is_set():
            if connection is None:
                connection = self._connected()
                if connection is None:
                    continue
            is_managed = bool(uuid.uuid4().int % 2)
            kind = "managed" if is_managed else "other"
            asked = self._managed if is_managed else str(uuid.uuid4())
            headers = {} if keep else {"Connection": "close"}
            try:
                told = f"{kind} {check_on(connection, asked, headers)}"
            except Exception as error:  # noqa: BLE001  counted
                told = f"lost: {error!r}"
                connection.close()
            with self._lock:
                self.told[told] += 1
            if connection.sock is None:
                connection = None

    def _connected(self) -> http.client.HTTPConnection | None:
        connection = self._api.connection()
        try:
            connection.connect()
        except ConnectionRefusedError:
            # Nothing was asked, so nothing is lost.
            with self._lock:
                self.told["refused"] += 1
            self._over.wait(0.01)
            return None
        return connection


class LiveTestCase(base.TestCase):
    """A test with a ``staffeln-api`` of its own."""

    def setUp(self) -> None:
        super().setUp()
        self.api = Api(self.home)
        self.addCleanup(self.api.kill)


def _rss(pid: int) -> int:
    """The memory of a process in KiB; 0: it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[0]) if found else 0
