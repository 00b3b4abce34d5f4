# SPDX-License-Identifier: Apache-2.0
"""The store on SQL: an adapter of :class:`staffeln.ports.Store`.

Every method is one transaction. Nothing relies on locks that a Galera
cluster would not keep between nodes: every write compares and sets, and
looks at the row count.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from typing import Any, cast

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import changes, history, rows
from staffeln.db.session import Database
from staffeln.domain import errors, model, task

_NOW = {
    "sqlite": "SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "postgresql": "SELECT clock_timestamp() AT TIME ZONE 'utc'",
}
_HELD = [
    task.State.CLAIMED.value,
    task.State.STARTING.value,
    task.State.RUNNING.value,
]
_LIVE = [state.value for state in task.LIVE]


class SqlStore:
    """The database of one deployment."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def description(self) -> str:
        """The kind of database, for the log."""
        return self._database.engine.dialect.name

    def close(self) -> None:
        """Let go of all connections."""
        self._database.close()

    def now(self) -> datetime.datetime:
        """The database's clock, UTC."""
        return self._database.read(now)

    # -- the deployment ----------------------------------------------------

    def deployment(self) -> model.Deployment:
        """:raises SchemaError: the database is not a whole deployment."""
        row = self._database.read(
            lambda connection: connection.execute(
                sa.select(rows.DEPLOYMENT)
            ).first()
        )
        if row is None:
            raise errors.SchemaError(
                "the database has no deployment: run staffeln-db-manage "
                "upgrade head"
            )
        identity = None
        if row.auth_url is not None:
            identity = model.CloudIdentity(
                auth_url=row.auth_url,
                region=row.region,
                block_storage_url=row.block_storage_url,
                user_id=row.user_id,
            )
        return model.Deployment(
            uuid=row.uuid,
            identity=identity,
            adopted=row.adopted,
            selected_volumes=row.selected_volumes,
        )

    def bind_cloud(self, identity: model.CloudIdentity) -> None:
        """Bind the database if nobody did before."""
        self._database.write(
            lambda connection: connection.execute(
                sa.update(rows.DEPLOYMENT)
                .where(rows.DEPLOYMENT.c.auth_url.is_(None))
                .values(
                    auth_url=identity.auth_url,
                    region=identity.region,
                    block_storage_url=identity.block_storage_url,
                    user_id=identity.user_id,
                )
            )
        )

    # -- conductors --------------------------------------------------------

    def register_conductor(
        self, conductor_id: str, host: str, pid: int, backend: str
    ) -> None:
        def work(connection: sa.Connection) -> None:
            at = now(connection)
            connection.execute(
                sa.insert(rows.CONDUCTORS),
                {
                    "id": conductor_id,
                    "host": host,
                    "pid": pid,
                    "backend": backend,
                    "started_at": at,
                    "heartbeat_at": at,
                },
            )

        self._database.write(work)

    def heartbeat(self, conductor_id: str) -> bool:
        def work(connection: sa.Connection) -> bool:
            done = connection.execute(
                sa.update(rows.CONDUCTORS)
                .where(rows.CONDUCTORS.c.id == conductor_id)
                .values(heartbeat_at=now(connection))
            )
            return done.rowcount == 1

        return self._database.write(work)

    def unregister_conductor(self, conductor_id: str) -> None:
        self._database.write(
            lambda connection: connection.execute(
                sa.delete(rows.CONDUCTORS).where(
                    rows.CONDUCTORS.c.id == conductor_id
                )
            )
        )

    def conductors(self) -> list[ports.Conductor]:
        found = self._database.read(
            lambda connection: connection.execute(
                sa.select(rows.CONDUCTORS).order_by(
                    rows.CONDUCTORS.c.started_at
                )
            ).all()
        )
        return [rows.conductor_of(row) for row in found]

    # -- the scheduler -----------------------------------------------------

    def take_office(self, conductor_id: str) -> int:
        def work(connection: sa.Connection) -> int:
            connection.execute(
                sa.update(rows.TERM).values(
                    term=rows.TERM.c.term + 1,
                    seq=0,
                    holder=conductor_id,
                    since=now(connection),
                )
            )
            return int(
                connection.execute(sa.select(rows.TERM.c.term)).scalar_one()
            )

        return self._database.write(work)

    def write_plan(
        self, term: int, plan: ports.PlanRecord, conductor_id: str
    ) -> list[task.Task]:
        def work(connection: sa.Connection) -> list[task.Task]:
            _fence(connection, term)
            cancelled = changes.cancel(
                connection,
                _tasks_by_id(connection, plan.cancelled),
                plan.cancel_reason,
                now(connection),
                conductor_id,
            )
            changes.put_records(connection, plan.records)
            _refresh_retentions(connection, plan)
            if plan.selected_volumes is not None:
                _note_selected(connection, plan.selected_volumes)
            added = changes.add_tasks(connection, plan.tasks, conductor_id)
            return [*added, *cancelled]

        return self._database.write(work)

    # -- what planning reads -----------------------------------------------

    def histories(
        self, volume_ids: Collection[str]
    ) -> dict[str, model.History]:
        found: dict[str, model.History] = {}
        for chunk in history.chunks(volume_ids):
            found.update(
                self._database.read(
                    lambda connection, ids=chunk: history.of_volumes(  # type: ignore[misc]
                        connection, ids
                    )
                )
            )
        return found

    def planned_backups(self) -> dict[str, str]:
        table = rows.TASKS
        found = self._database.read(
            lambda connection: connection.execute(
                sa.select(table.c.volume_id, table.c.id).where(
                    table.c.kind == task.Kind.BACKUP.value,
                    table.c.state == task.State.PLANNED.value,
                )
            ).all()
        )
        return {row.volume_id: row.id for row in found}

    def unwanted_backups(self) -> list[model.Backup]:
        deletes = rows.TASKS.alias()
        removing = sa.exists().where(
            deletes.c.backup_id == rows.BACKUPS.c.id,
            deletes.c.kind == task.Kind.DELETE.value,
            deletes.c.state.in_(_LIVE),
        )
        found = self._database.read(
            lambda connection: connection.execute(
                sa.select(*rows.BACKUP_COLUMNS)
                .where(
                    rows.BACKUPS.c.state == model.BackupState.UNWANTED.value,
                    ~removing,
                )
                .order_by(rows.BACKUPS.c.created_at.desc())
            ).all()
        )
        return [rows.backup_of(row) for row in found]

    # -- tasks -------------------------------------------------------------

    def claim(
        self,
        conductor_id: str,
        kind: task.Kind,
        limit: int,
        now: datetime.datetime,
    ) -> list[task.Task]:
        return self._database.write(
            lambda connection: changes.claim(
                connection, conductor_id, kind, limit, now
            )
        )

    def advance(
        self, moves: Sequence[ports.Change], conductor_id: str
    ) -> list[task.Task]:
        return self._database.write(
            lambda connection: changes.advance(connection, moves, conductor_id)
        )

    def holders(self) -> set[str]:
        table = rows.TASKS
        found = self._database.read(
            lambda connection: (
                connection.execute(
                    sa.select(table.c.claimed_by)
                    .where(table.c.state.in_(_HELD))
                    .distinct()
                )
                .scalars()
                .all()
            )
        )
        return {each for each in found if each is not None}

    def take_over(
        self,
        tasks: Sequence[task.Task],
        conductor_id: str,
        now: datetime.datetime,
        reason: str,
    ) -> list[task.Task]:
        def work(connection: sa.Connection) -> list[task.Task]:
            taken = []
            for before in tasks:
                after = task.hand_over(before, conductor_id, now, reason)
                won = connection.execute(
                    sa.update(rows.TASKS)
                    .where(*changes.is_still(before))
                    .values(
                        claimed_by=conductor_id, reason=reason, updated_at=now
                    )
                ).rowcount
                if won == 1:
                    taken.append(after)
            changes.add_events(
                connection,
                ((each.state, each) for each in taken),
                conductor_id,
            )
            return taken

        return self._database.write(work)

    def cancel_over_quota(
        self,
        project_id: str,
        size: int,
        reason: str,
        now: datetime.datetime,
        conductor_id: str,
    ) -> int:
        table = rows.TASKS

        def work(connection: sa.Connection) -> int:
            found = connection.execute(
                sa.select(*rows.TASK_COLUMNS).where(
                    table.c.kind == task.Kind.BACKUP.value,
                    table.c.state == task.State.PLANNED.value,
                    table.c.project_id == project_id,
                    table.c.volume_size >= size,
                )
            ).all()
            planned = [rows.task_of(row) for row in found]
            return len(
                changes.cancel(connection, planned, reason, now, conductor_id)
            )

        return self._database.write(work)

    def get_task(self, task_id: str) -> task.Task | None:
        found = self._database.read(
            lambda connection: _tasks_by_id(connection, [task_id])
        )
        return found[0] if found else None

    def tasks(
        self,
        *,
        kind: task.Kind | None = None,
        states: Collection[task.State] | None = None,
        claimed_by: Collection[str] | None = None,
        project_id: str | None = None,
        volume_id: str | None = None,
        limit: int | None = None,
    ) -> list[task.Task]:
        table = rows.TASKS
        conditions = _equal(
            table, kind=kind, project_id=project_id, volume_id=volume_id
        )
        if states is not None:
            conditions.append(
                table.c.state.in_([each.value for each in states])
            )
        if claimed_by is not None:
            conditions.append(table.c.claimed_by.in_(list(claimed_by)))
        found = self._database.read(
            lambda connection: connection.execute(
                sa.select(*rows.TASK_COLUMNS)
                .where(*conditions)
                .order_by(table.c.created_at.desc(), table.c.rank.desc())
                .limit(limit)
            ).all()
        )
        return [rows.task_of(row) for row in found]

    def events(self, task_id: str) -> list[task.Event]:
        table = rows.EVENTS
        found = self._database.read(
            lambda connection: connection.execute(
                sa.select(table)
                .where(table.c.task_id == task_id)
                .order_by(table.c.id)
            ).all()
        )
        return [rows.event_of(row) for row in found]

    # -- backups and volumes -----------------------------------------------

    def get_backup(self, backup_id: str) -> model.Backup | None:
        found = self.backups(ids=[backup_id])
        return found[0] if found else None

    def backups(
        self,
        *,
        ids: Collection[str] | None = None,
        states: Collection[model.BackupState] | None = None,
        project_id: str | None = None,
        volume_id: str | None = None,
        limit: int | None = None,
    ) -> list[model.Backup]:
        table = rows.BACKUPS
        conditions = _equal(table, project_id=project_id, volume_id=volume_id)
        if states is not None:
            conditions.append(
                table.c.state.in_([each.value for each in states])
            )
        query = (
            sa.select(*rows.BACKUP_COLUMNS)
            .where(*conditions)
            .order_by(table.c.created_at.desc(), table.c.id)
            .limit(limit)
        )

        def work(connection: sa.Connection) -> list[model.Backup]:
            if ids is None:
                found = list(connection.execute(query))
            else:
                found = [
                    row
                    for chunk in history.chunks(ids)
                    for row in connection.execute(
                        query.where(table.c.id.in_(chunk))
                    )
                ]
            return [rows.backup_of(row) for row in found]

        return self._database.read(work)

    def save_backup(self, backup: model.Backup) -> bool:
        return self._database.write(
            lambda connection: changes.update_backup(
                connection, backup, now(connection)
            )
        )

    def volume_record(self, volume_id: str) -> model.VolumeRecord | None:
        row = self._database.read(
            lambda connection: connection.execute(
                sa.select(*rows.VOLUME_COLUMNS).where(
                    rows.VOLUMES.c.volume_id == volume_id
                )
            ).first()
        )
        return rows.record_of(row) if row else None


# -- pieces of transactions ------------------------------------------------


def now(connection: sa.Connection) -> datetime.datetime:
    """The database's clock, UTC."""
    found = connection.exec_driver_sql(
        _NOW[connection.dialect.name]
    ).scalar_one()
    if isinstance(found, str):
        return datetime.datetime.fromisoformat(found)
    return cast("datetime.datetime", found)


def _fence(connection: sa.Connection, term: int) -> None:
    """Go on only while the term is the one in office."""
    done = connection.execute(
        sa.update(rows.TERM)
        .where(rows.TERM.c.term == term)
        .values(seq=rows.TERM.c.seq + 1)
    )
    if done.rowcount != 1:
        raise errors.OvertakenError(
            f"term {term} is over: another conductor is the scheduler now"
        )


def _tasks_by_id(
    connection: sa.Connection, task_ids: Collection[str]
) -> list[task.Task]:
    return [
        rows.task_of(row)
        for chunk in history.chunks(task_ids)
        for row in connection.execute(
            sa.select(*rows.TASK_COLUMNS).where(rows.TASKS.c.id.in_(chunk))
        )
    ]


def _refresh_retentions(
    connection: sa.Connection, plan: ports.PlanRecord
) -> None:
    table = rows.BACKUPS
    for volume_id, retention in plan.retentions.items():
        connection.execute(
            sa.update(table)
            .where(table.c.volume_id == volume_id)
            .values(retention=retention)
        )


def _note_selected(connection: sa.Connection, count: int) -> None:
    table = rows.DEPLOYMENT
    connection.execute(
        sa.update(table)
        .where(
            sa.or_(
                table.c.selected_volumes.is_(None),
                table.c.selected_volumes != count,
            )
        )
        .values(selected_volumes=count)
    )


def _equal(table: Any, **wanted: Any) -> list[sa.ColumnElement[bool]]:
    return [
        table.c[name] == (value.value if name == "kind" else value)
        for name, value in wanted.items()
        if value is not None
    ]
