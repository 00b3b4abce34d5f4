# SPDX-License-Identifier: Apache-2.0
"""The round of retention that waits for an operator's yes."""

from __future__ import annotations

import sqlalchemy as sa

from staffeln.db import clock, rows
from staffeln.domain import model

_ONE = rows.BREAKER.c.id == 1


def waiting(connection: sa.Connection) -> model.Breaker | None:
    """The round that waits for a yes."""
    row = connection.execute(sa.select(rows.BREAKER).where(_ONE)).first()
    return rows.breaker_of(row) if row else None


def trip(
    connection: sa.Connection,
    would: int,
    total: int,
    seen: model.Breaker | None,
) -> None:
    """Note that a round did nothing, and since when there is one.

    A yes that came after the round had looked is left for the next one.
    """
    before = waiting(connection)
    if before and before.confirmed_at != (seen and seen.confirmed_at):
        return
    values = {"would": would, "total": total, "confirmed_at": None}
    if before is None:
        connection.execute(
            sa.insert(rows.BREAKER).values(
                id=1, tripped_at=clock.now(connection), **values
            )
        )
    else:
        connection.execute(sa.update(rows.BREAKER).where(_ONE).values(values))


def reset(connection: sa.Connection) -> None:
    """Note that no round waits."""
    connection.execute(sa.delete(rows.BREAKER).where(_ONE))


def confirm(connection: sa.Connection) -> model.Breaker | None:
    """Agree to the round that waits, as it is now."""
    connection.execute(
        sa.update(rows.BREAKER)
        .where(_ONE)
        .values(confirmed_at=clock.now(connection))
    )
    return waiting(connection)
