# SPDX-License-Identifier: Apache-2.0
"""Who is here: the deployment, its conductors, the scheduler in office."""

from __future__ import annotations

import datetime

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import clock, rows
from staffeln.domain import errors, model

TERMS_KEPT = 1000
"""Terms of the past that stay to be looked at."""


def deployment(connection: sa.Connection) -> model.Deployment:
    """The one deployment.

    :raises SchemaError: the database is not a whole deployment.
    """
    row = connection.execute(sa.select(rows.DEPLOYMENT)).first()
    if row is None:
        raise errors.SchemaError(
            "the database has no deployment: run staffeln-db-manage upgrade "
            "head"
        )
    return model.Deployment(
        uuid=row.uuid,
        identity=rows.identity_of(row),
        adopted=row.adopted,
        selected_volumes=row.selected_volumes,
    )


def bind_cloud(
    connection: sa.Connection, identity: model.CloudIdentity
) -> None:
    """Bind the deployment to a cloud if nobody did before."""
    connection.execute(
        sa.update(rows.DEPLOYMENT)
        .where(rows.DEPLOYMENT.c.auth_url.is_(None))
        .values(
            auth_url=identity.auth_url,
            region=identity.region,
            block_storage_url=identity.block_storage_url,
            user_id=identity.user_id,
        )
    )


def rebind_cloud(
    connection: sa.Connection, identity: model.CloudIdentity
) -> None:
    """Bind the deployment to a cloud, whatever it was bound to."""
    connection.execute(
        sa.update(rows.DEPLOYMENT).values(
            auth_url=identity.auth_url,
            region=identity.region,
            block_storage_url=identity.block_storage_url,
            user_id=identity.user_id,
        )
    )


def note_selected(connection: sa.Connection, count: int) -> None:
    """Keep how many volumes a complete harvest selected."""
    connection.execute(
        sa.update(rows.DEPLOYMENT).values(selected_volumes=count)
    )


# -- conductors --------------------------------------------------------------


def register(
    connection: sa.Connection,
    conductor_id: str,
    host: str,
    pid: int,
    backend: str,
) -> None:
    """Insert the row of a conductor that starts."""
    at = clock.now(connection)
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


def beat(connection: sa.Connection, conductor_id: str) -> bool:
    """Note that a conductor lives; False: its row is gone."""
    done = connection.execute(
        sa.update(rows.CONDUCTORS)
        .where(rows.CONDUCTORS.c.id == conductor_id)
        .values(heartbeat_at=clock.now(connection))
    )
    return done.rowcount == 1


def unregister(
    connection: sa.Connection,
    conductor_id: str,
    seen: datetime.datetime | None,
) -> bool:
    """Remove a conductor's row, if that was its last sign of life."""
    table = rows.CONDUCTORS
    conditions = [table.c.id == conductor_id]
    if seen is not None:
        conditions.append(table.c.heartbeat_at == seen)
    done = connection.execute(sa.delete(table).where(*conditions))
    return done.rowcount == 1


def conductors(connection: sa.Connection) -> list[ports.Conductor]:
    """All conductors, those that started first at the top."""
    table = rows.CONDUCTORS
    found = connection.execute(
        sa.select(table).order_by(table.c.started_at, table.c.id)
    )
    return [rows.conductor_of(row) for row in found]


# -- the scheduler -----------------------------------------------------------


def take_office(connection: sa.Connection, conductor_id: str) -> int:
    """Begin a term; returns its number."""
    connection.execute(
        sa.update(rows.TERM).values(
            term=rows.TERM.c.term + 1,
            seq=0,
            holder=conductor_id,
            since=clock.now(connection),
        )
    )
    term = int(connection.execute(sa.select(rows.TERM.c.term)).scalar_one())
    connection.execute(
        sa.insert(rows.TERMS).values(
            term=term,
            conductor_id=conductor_id,
            began_at=clock.now(connection),
        )
    )
    connection.execute(
        sa.delete(rows.TERMS).where(rows.TERMS.c.term <= term - TERMS_KEPT)
    )
    return term


def terms(connection: sa.Connection, limit: int) -> list[ports.Term]:
    """The last terms, the present one first."""
    table = rows.TERMS
    found = connection.execute(
        sa.select(table).order_by(table.c.term.desc()).limit(limit)
    )
    return [
        ports.Term(
            number=row.term,
            conductor_id=row.conductor_id,
            began_at=row.began_at,
        )
        for row in found
    ]


def fence(connection: sa.Connection, term: int) -> None:
    """Go on only while the term is the one in office.

    :raises OvertakenError: another term has begun.
    """
    done = connection.execute(
        sa.update(rows.TERM)
        .where(rows.TERM.c.term == term)
        .values(seq=rows.TERM.c.seq + 1)
    )
    if done.rowcount != 1:
        raise errors.OvertakenError(
            f"term {term} is over: another conductor is the scheduler now"
        )
