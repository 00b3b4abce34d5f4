# SPDX-License-Identifier: Apache-2.0
"""The brake: what an operator has paused, obeyed by every claim."""

from __future__ import annotations

import sqlalchemy as sa
from oslo_db import exception as oslo_exception

from staffeln.db import clock, rows
from staffeln.domain import model, task


def brakes(connection: sa.Connection) -> list[model.Brake]:
    """What is paused, by kind and project."""
    table = rows.BRAKES
    found = connection.execute(
        sa.select(table).order_by(table.c.kind, table.c.project_id)
    )
    return [
        model.Brake(
            kind=task.Kind(row.kind),
            project_id=row.project_id,
            since=row.since,
        )
        for row in found
    ]


def pause(connection: sa.Connection, kind: task.Kind, project_id: str) -> bool:
    """Pause; False: it was paused already, and stays so since then."""
    try:
        with connection.begin_nested():
            connection.execute(
                sa.insert(rows.BRAKES).values(
                    kind=kind.value,
                    project_id=project_id,
                    since=clock.now(connection),
                )
            )
    except oslo_exception.DBDuplicateEntry:
        return False
    return True


def resume(
    connection: sa.Connection, kind: task.Kind, project_id: str
) -> bool:
    """Undo a pause of just the same; False: there is none."""
    table = rows.BRAKES
    return (
        connection.execute(
            sa.delete(table).where(
                table.c.kind == kind.value, table.c.project_id == project_id
            )
        ).rowcount
        == 1
    )
