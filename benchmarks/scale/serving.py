# SPDX-License-Identifier: Apache-2.0
"""What a measurement is held on: a database, and a conductor's parts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pathlib
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

from oslo_config import cfg

from benchmarks.cloud import Counts
from benchmarks.retention import DATABASES
from benchmarks.scale.measuring import Traffic
from staffeln import conf, ports
from staffeln.cloud.openstack import OpenStackCloud
from staffeln.cloud.settings import CloudSettings
from staffeln.conf import logs
from staffeln.db import migration, session
from staffeln.db.store import SqlStore
from staffeln.wiring import doors
from staffeln.wiring import settings as wired
from staffeln.workflow import binding, observing
from staffeln.workflow.cycle import Scheduler, Worker
from staffeln.workflow.settings import Settings

KINDS = tuple(DATABASES)
ME = "11111111-2222-4333-8444-555555555555"
"""Id of the conductor that is measured."""


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a measurement is held; it can be sent to another process."""

    database: str
    """URL."""
    cloud: CloudSettings
    control: str
    """Where the simulated cloud is steered."""
    log_file: str
    """A conductor writes its log as always: that is part of its cost."""
    options: tuple[tuple[str, str, Any], ...] = ()
    """Group, name and value of options that are not the usual ones."""

    def configuration(self) -> cfg.ConfigOpts:
        """The options' own values, but for these."""
        found = conf.load(
            ["--log-file", self.log_file],
            prog="benchmarks",
            default_config_files=(),
        )
        found.set_override("connection", self.database, "database")
        for group, name, value in self.options:
            found.set_override(name, value, group)
        return found

    def changed(self, **conductor: Any) -> Place:
        """The same place, where a conductor has other options."""
        more = (("conductor", *each) for each in conductor.items())
        return dataclasses.replace(self, options=(*self.options, *more))


def ask(control: str, verb: str, **values: Any) -> Any:
    """Steer the simulated cloud from a process that did not start it."""
    asked = urllib.request.Request(
        f"{control}/control/{verb}",
        json.dumps(values).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.load(answer)["result"]


def counted(control: str) -> Counts:
    """What the simulated cloud was asked since it was asked this."""
    return Counts.from_plain(ask(control, "counts", reset=True))


class Conductor:
    """The parts of one conductor, in this process."""

    def __init__(
        self,
        place: Place,
        observer: ports.Observer = observing.NOBODY,
        **changes: Any,
    ) -> None:
        """:param changes: of what the workflow obeys."""
        self._observer = observer
        configuration = place.configuration()
        logs.begin(configuration)
        self.database = session.connect(configuration)
        self.traffic = Traffic(self.database.engine)
        self.store = SqlStore(self.database)
        self.settings: Settings = dataclasses.replace(
            wired.workflow(configuration), **changes
        )
        self.cloud = OpenStackCloud(
            dataclasses.replace(
                place.cloud,
                create_retry_timeout=(
                    self.settings.heartbeat_timeout.total_seconds()
                ),
            )
        )
        self.woken = threading.Event()

    def scheduler(self) -> Scheduler:
        """What leads, in office."""
        found = Scheduler(
            self.store, self.cloud, self.settings, ME, held=lambda: True
        )
        found.take_office()
        return found

    def worker(self) -> Worker:
        """What works, known to all others."""
        deployment, _ = binding.prove(self.cloud, self.store)
        self.store.register_conductor(ME, "host", 1, "solo")
        return Worker(
            self.store,
            doors.engine(self.cloud),
            self.settings,
            deployment.uuid,
            ME,
            self.woken.set,
            observer=self._observer,
        )

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()


class Databases:
    """A server of one kind, while a benchmark runs."""

    def __init__(self, kind: str, stack: contextlib.ExitStack) -> None:
        """:param stack: stops the server when it is closed."""
        self.kind = kind
        self._create = DATABASES[kind](stack)
        self._made = 0

    @contextlib.contextmanager
    def new(self) -> Iterator[tuple[str, session.Database]]:
        """A new database with the schema: its URL, and a connection."""
        self._made += 1
        url = self._create(f"scale_{self._made}")
        database = session.connect(_of(url), create=True)
        try:
            migration.create_schema(database)
            yield url, database
        finally:
            database.close()


def default_workers() -> int:
    """The value that ``backup_workers`` has by itself."""
    found = conf.load([], prog="benchmarks", default_config_files=())
    return int(found.conductor.backup_workers)


def _of(url: str) -> cfg.ConfigOpts:
    found = conf.load([], prog="benchmarks", default_config_files=())
    found.set_override("connection", url, "database")
    return found


@contextlib.contextmanager
def log_file() -> Iterator[str]:
    """A file for the log of what is measured, in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        yield str(pathlib.Path(folder) / "conductor.log")
