# SPDX-License-Identifier: Apache-2.0
"""What a measurement is held on: a database, and a conductor's parts."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import tempfile
import threading
import urllib.request
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from oslo_config import cfg

from benchmarks.cloud import Counts, Simulated
from benchmarks.retention import DATABASES
from benchmarks.scale.measuring import Traffic
from staffeln import conf, ports
from staffeln.conf import logs
from staffeln.db import migration, session
from staffeln.wiring import doors
from staffeln.wiring import settings as wired
from staffeln.workflow import binding, observing
from staffeln.workflow.cycle import Scheduler, Worker
from staffeln.workflow.settings import Settings

KINDS = tuple(DATABASES)
ME = "11111111-2222-4333-8444-555555555555"
"""Id of the conductor that is measured."""
CLOUD = "simulated"
_CLOUDS = "clouds.yaml"


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a measurement is held; it can be sent to another process."""

    database: str
    """URL."""
    control: str
    """Where the simulated cloud is steered."""
    folder: str
    """Of clouds.yaml, and of the log: that is part of a conductor's cost."""
    options: tuple[tuple[str, str, Any], ...] = ()
    """Group, name and value of options that are not the usual ones."""

    def configuration(self) -> cfg.ConfigOpts:
        """The options' own values, but for these."""
        folder = pathlib.Path(self.folder)
        os.environ["OS_CLIENT_CONFIG_FILE"] = str(folder / _CLOUDS)
        found = conf.load(
            ["--log-file", str(folder / "conductor.log")],
            prog="benchmarks",
            default_config_files=(),
        )
        found.set_override("connection", self.database, "database")
        found.set_override("cloud", CLOUD, "openstack")
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
        self.traffic = Traffic(sa.Engine)
        self.store = doors.store(configuration)
        self.cloud = doors.cloud(configuration)
        self.settings: Settings = dataclasses.replace(
            wired.workflow(configuration), **changes
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
def placed(database: str, cloud: Simulated) -> Iterator[Place]:
    """Where a database and a simulated cloud are one deployment's."""
    with tempfile.TemporaryDirectory() as folder:
        known_as = cloud.write_clouds(pathlib.Path(folder) / _CLOUDS)
        assert known_as == CLOUD
        yield Place(database, cloud.url, folder)
