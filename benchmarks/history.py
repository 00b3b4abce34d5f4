# SPDX-License-Identifier: Apache-2.0
"""A large deployment: its history in a database, and the cloud around it.

All of it follows from numbers, so that the stand-in of the cloud keeps
nothing in memory, and what a round has to do can be told without the rules
that decide it.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import itertools
import math
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import rows, session
from staffeln.domain import durations, model, task
from staffeln.tests.fakes import fake_cloud
from staffeln.workflow import clocks

DAY = datetime.timedelta(days=1)

PER_VOLUME = 20
"""Backups of each volume, one a day."""
DEPTH = 4
"""Incrementals on top of each full backup."""
VOLUMES_OF_A_SERVER = 2
VOLUMES_OF_A_PROJECT = 500

BACKUP_KEY = "__automated_backup"
RETENTION_KEY = "__staffeln_retention"
USUAL = "30d"
LONGER = "35d"
"""What ``retention_time`` is, and what it becomes."""
OVERRIDES = {"25d": 25, "7w": 49, "90d": 90, "26w": 182}
"""Values of one server in 20, and how many days they are."""
CHANGED = "40d"
"""What one server in 100 says after a change."""

_DAYS = {USUAL: 30, LONGER: 35, CHANGED: 40, **OVERRIDES}
_KINDS = ("backup", "task", "volume", "server", "project")
_AT_ONCE = 10_000
"""Rows of one insert."""
_CHUNK = 500
_NUMBERS = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""Odd: times this, modulo 2**128, no two numbers are the same."""


@dataclasses.dataclass(frozen=True, slots=True)
class Deployment:
    """So many backups, made before a moment (UTC, naive)."""

    backups: int
    made_at: datetime.datetime
    changed: bool = False
    """Whether one server in 100 has said something new."""
    retention_time: str = USUAL

    @property
    def volumes(self) -> int:
        return self.backups // PER_VOLUME

    @property
    def servers(self) -> int:
        return math.ceil(self.volumes / VOLUMES_OF_A_SERVER)

    @property
    def projects(self) -> int:
        return math.ceil(self.volumes / VOLUMES_OF_A_PROJECT)

    def volumes_of(self, server: int) -> range:
        """Numbers of a server's volumes."""
        first = server * VOLUMES_OF_A_SERVER
        return range(first, min(first + VOLUMES_OF_A_SERVER, self.volumes))

    def own_retention(self, server: int) -> str | None:
        """What a server says of retention."""
        if self.changed and is_to_change(server):
            return CHANGED
        if server % 20 == 3:
            return list(OVERRIDES)[server // 20 % len(OVERRIDES)]
        return None

    def retention(self, volume: int) -> str:
        """What governs a volume's backups."""
        own = self.own_retention(volume // VOLUMES_OF_A_SERVER)
        return own or self.retention_time

    def created_at(self, volume: int, number: int) -> datetime.datetime:
        """When a volume's backup was made: at some time of its day."""
        minutes = 60 + volume * 7 % 1200
        days = PER_VOLUME - 1 - number
        return self.made_at - days * DAY - datetime.timedelta(minutes=minutes)

    # -- what follows from it ----------------------------------------------

    def backups_of_servers(self, which: Callable[[int], bool]) -> int:
        """How many backups the volumes of some servers have."""
        return PER_VOLUME * sum(
            len(self.volumes_of(server))
            for server in range(self.servers)
            if which(server)
        )

    def expired(self, volumes: Iterable[int], older: int) -> int:
        """How many backups of some volumes go, were all days older.

        The last link of a chain expires last, and the chain with it; the
        last chain stays for ``retention_keep_last``.
        """
        links = DEPTH + 1
        return sum(
            links
            for volume in volumes
            for last in range(links - 1, PER_VOLUME - links, links)
            if self.made_at - self.created_at(volume, last) + older * DAY
            >= _DAYS[self.retention(volume)] * DAY
        )


def now() -> datetime.datetime:
    """The moment before which a deployment's backups are made."""
    return clocks.host_time()


def is_to_change(server: int) -> bool:
    """Whether a server is one of the 100th that will say something new."""
    return server % 100 == 7


def its_id(kind: str, number: int) -> str:
    """The id of a thing: as those of a cloud, in no order."""
    salted = number * len(_KINDS) + _KINDS.index(kind)
    return str(uuid.UUID(int=(salted + 1) * _NUMBERS % 2**128))


# -- the cloud ---------------------------------------------------------------


class Cloud(fake_cloud.FakeCloud):
    """The cloud of a deployment: pages are made when they are asked for."""

    def __init__(self, deployment: Deployment) -> None:
        super().__init__(clock=clocks.host_time)
        self.deployment = deployment
        for number in range(deployment.projects):
            self.add_project(its_id("project", number))

    def server_pages(self) -> Iterator[ports.Page[model.Server]]:
        """All servers."""
        return self._made(self.deployment.servers, self._server)

    def volume_pages(self) -> Iterator[ports.Page[model.Volume]]:
        """All volumes."""
        return self._made(self.deployment.volumes, self._volume)

    def _made(
        self, total: int, make: Callable[[int], Any]
    ) -> Iterator[ports.Page[Any]]:
        for start in range(0, total, self.page_size):
            end = min(start + self.page_size, total)
            yield ports.Page(
                items=tuple(make(number) for number in range(start, end)),
                total=total,
            )

    def _server(self, number: int) -> model.Server:
        volumes = self.deployment.volumes_of(number)
        own = self.deployment.own_retention(number)
        metadata = {BACKUP_KEY: "true"}
        if own is not None:
            metadata[RETENTION_KEY] = own
        return model.Server(
            id=its_id("server", number),
            name=f"server-{number}",
            project_id=_project_id(volumes[0]),
            status="ACTIVE",
            task_state=None,
            metadata=metadata,
            volume_ids=tuple(its_id("volume", each) for each in volumes),
        )

    def _volume(self, number: int) -> model.Volume:
        return model.Volume(
            id=its_id("volume", number),
            name=f"volume-{number}",
            project_id=_project_id(number),
            status="in-use",
            size=10,
            metadata={},
            server_ids=(its_id("server", number // VOLUMES_OF_A_SERVER),),
        )


def _project_id(volume: int) -> str:
    return its_id("project", volume // VOLUMES_OF_A_PROJECT)


# -- the rows ----------------------------------------------------------------


_COLUMNS = tuple(each.name for each in rows.BACKUPS.columns)
_OF_TASKS = {
    "id": "task_id",
    "kind": "'backup'",
    "state": "'succeeded'",
    "project_id": "project_id",
    "volume_id": "volume_id",
    "volume_name": "volume_name",
    "volume_size": "size",
    "volume_status": "'in-use'",
    "server_id": "server_id",
    "server_name": "server_name",
    "mode": "'incremental'",
    "backup_id": "id",
    "rank": "0",
    "reason": "'available'",
    "attempt": "1",
    "unsettled": "1 = 0",
    "created_at": "created_at",
    "updated_at": "created_at",
    "finished_at": "completed_at",
}
"""What a task has of the backup that it made."""


def write(database: session.Database, deployment: Deployment) -> None:
    """Write the history: each backup, and the task that made it.

    The indexes are made when all rows are there, which is faster.
    """
    indexes = [*rows.BACKUPS.indexes, *rows.TASKS.indexes]
    with database.engine.begin() as connection:
        for each in indexes:
            each.drop(connection)
    found = (
        row
        for volume in range(deployment.volumes)
        for row in _backups(deployment, volume)
    )
    insert(database, "backups", _COLUMNS, found)
    write_tasks(database)
    with database.engine.begin() as connection:
        for each in indexes:
            each.create(connection)
    learn(database)


def write_tasks(database: session.Database) -> None:
    """Write the task that made each of the backups that are there."""
    quote = database.engine.dialect.identifier_preparer.quote
    names = ", ".join(map(quote, _OF_TASKS))
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO tasks ({names}) "
            f"SELECT {', '.join(_OF_TASKS.values())} FROM backups"
        )


def insert(
    database: session.Database,
    table: str,
    columns: Sequence[str],
    found: Iterator[tuple[Any, ...]],
) -> None:
    """Insert rows in the fastest way that the driver has."""
    quote = database.engine.dialect.identifier_preparer.quote
    names = ", ".join(map(quote, columns))
    while some := list(itertools.islice(found, _AT_ONCE)):
        with database.engine.begin() as connection:
            _insert(connection, table, names, some)


def _insert(
    connection: sa.Connection,
    table: str,
    names: str,
    some: list[tuple[Any, ...]],
) -> None:
    if connection.dialect.name == "postgresql":
        text = "".join("\t".join(map(_copied, row)) + "\n" for row in some)
        cursor: Any = connection.connection.cursor()
        cursor.copy_expert(
            f"COPY {table} ({names}) FROM STDIN", io.StringIO(text)
        )
        return
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    marks = ", ".join([mark] * len(some[0]))
    connection.exec_driver_sql(
        f"INSERT INTO {table} ({names}) VALUES ({marks})", some
    )


def _copied(value: object) -> str:
    return "\\N" if value is None else str(value)


def _backups(deployment: Deployment, volume: int) -> Iterator[tuple[Any, ...]]:
    """The rows of a volume's backups, in the order of the columns."""
    server = volume // VOLUMES_OF_A_SERVER
    own = deployment.own_retention(server)
    kept = durations.parse(deployment.retention(volume))
    values: dict[str, Any] = dict.fromkeys(_COLUMNS)
    values.update(
        project_id=_project_id(volume),
        volume_id=its_id("volume", volume),
        volume_name=f"volume-{volume}",
        server_id=its_id("server", server),
        server_name=f"server-{server}",
        attempt=1,
        state=model.BackupState.AVAILABLE.value,
        size=10,
        retention=own,
        retention_known=True,
        retention_valid=own,
        kept_for=str(kept),
        grace="",
        reason="",
    )
    for number in range(PER_VOLUME):
        serial = volume * PER_VOLUME + number
        created_at = deployment.created_at(volume, number)
        values.update(
            id=its_id("backup", serial),
            task_id=its_id("task", serial),
            incremental=number % (DEPTH + 1) > 0,
            created_at=created_at,
            completed_at=created_at + datetime.timedelta(minutes=5),
            expires_at=durations.after(created_at, kept),
            updated_at=created_at,
        )
        yield tuple(values.values())


_EARLIER = {
    "sqlite": (
        "strftime('%Y-%m-%d %H:%M:%S', {0}, '{1:+d} days') || substr({0}, 20)"
    ),
    "mysql": "{0} + INTERVAL {1} DAY",
    "postgresql": "{0} + INTERVAL '{1} days'",
}


def age(database: session.Database, volumes: Iterable[int], days: int) -> None:
    """Let the backups of some volumes be so many days older."""
    move = _EARLIER[database.engine.dialect.name]
    ids = [its_id("volume", number) for number in volumes]
    table = rows.BACKUPS
    for start in range(0, len(ids), _CHUNK):
        with database.engine.begin() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.volume_id.in_(ids[start : start + _CHUNK]))
                .values(
                    {
                        name: sa.text(move.format(name, -days))
                        for name in ("created_at", "expires_at")
                    }
                )
            )
    learn(database)


def forget_deletes(database: session.Database) -> None:
    """Remove what a round has planned."""
    deletes = rows.TASKS.c.kind == task.Kind.DELETE.value
    with database.engine.begin() as connection:
        connection.execute(
            sa.delete(rows.EVENTS).where(
                rows.EVENTS.c.task_id.in_(
                    sa.select(rows.TASKS.c.id).where(deletes)
                )
            )
        )
        connection.execute(sa.delete(rows.TASKS).where(deletes))
    learn(database)


def learn(database: session.Database) -> None:
    """Do what a server that is left alone does by itself in the background.

    SQLite does nothing of the kind.
    """
    statement = {
        "mysql": "ANALYZE TABLE backups, tasks",
        "postgresql": "VACUUM ANALYZE backups, tasks",
    }.get(database.engine.dialect.name)
    if statement:
        with database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(statement)
