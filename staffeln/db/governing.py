# SPDX-License-Identifier: Apache-2.0
"""What governs how long backups are kept: read in bulk, written in bulk."""

from __future__ import annotations

import datetime
import functools
import operator
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from staffeln.db import history, rows
from staffeln.domain import model

_ALIKE = (
    "retention",
    "retention_known",
    "retention_valid",
    "kept_for",
    "grace",
)
"""Of those the columns in which the backups of a server are alike."""
_GOVERNED = (*_ALIKE, "expires_at")
"""Columns that only :func:`govern` writes once a row is there."""

_SIZES = (1, 10, 100, history.CHUNK)
"""Backups that one statement governs anew: few sizes, each made once."""

GOVERNED: frozenset[str] = frozenset(_GOVERNED)


def governances(
    connection: sa.Connection, after: str, limit: int
) -> list[model.Governance]:
    """What governs the backups of the next volumes; read from an index."""
    table = rows.BACKUPS
    volumes = list(
        connection.execute(
            sa.select(table.c.volume_id)
            .where(table.c.volume_id > after)
            .distinct()
            .order_by(table.c.volume_id)
            .limit(limit)
        ).scalars()
    )
    if not volumes:
        return []
    found = connection.execute(
        sa.select(*rows.GOVERNANCE_COLUMNS)
        .where(table.c.volume_id > after, table.c.volume_id <= volumes[-1])
        .distinct()
        .order_by(table.c.volume_id)
    )
    return [rows.governance_of(row) for row in found]


def shortened(
    connection: sa.Connection, after: tuple[str, str], limit: int
) -> list[tuple[str, str]]:
    """Graces, and volumes with a backup that waits for one; from an index.

    The rest of the last grace first: each statement reads one stretch.
    """
    grace, volume_id = after
    table = rows.BACKUPS
    stretches = [table.c.grace > grace]
    if grace:
        stretches.insert(
            0,
            sa.and_(table.c.grace == grace, table.c.volume_id > volume_id),
        )
    found: list[tuple[str, str]] = []
    for stretch in stretches:
        if len(found) < limit:
            some = connection.execute(
                sa.select(table.c.grace, table.c.volume_id)
                .where(stretch)
                .distinct()
                .order_by(table.c.grace, table.c.volume_id)
                .limit(limit - len(found))
            )
            found += [(row.grace, row.volume_id) for row in some]
    return found


def govern(
    connection: sa.Connection,
    backups: Sequence[model.Backup],
    now: datetime.datetime,
) -> None:
    """Write what governs backups, and their expiry, and nothing else.

    Those that one thing governs are one statement.
    """
    alike: defaultdict[tuple[Any, ...], list[model.Backup]] = defaultdict(list)
    for each in backups:
        alike[_governance(each)].append(each)
    for governed, its in alike.items():
        values = {
            name: rows.plain(name, value)
            for name, value in zip(_ALIKE, governed, strict=True)
        }
        for chunk in history.chunks(its):
            connection.execute(
                _governing(_size(len(chunk))),
                {
                    "now": now,
                    **{f"its_{name}": each for name, each in values.items()},
                    **_expiries(chunk),
                },
            )


_governance = operator.attrgetter(*_ALIKE)


def _size(many: int) -> int:
    """Backups of the smallest statement that so many fit into."""
    return next(each for each in _SIZES if each >= many)


def _expiries(chunk: Sequence[model.Backup]) -> dict[str, Any]:
    """Ids and times; the last ones again and again, to the statement's end."""
    values: dict[str, Any] = {}
    for number in range(_size(len(chunk))):
        each = chunk[min(number, len(chunk) - 1)]
        values[f"id_{number}"] = each.id
        values[f"at_{number}"] = each.expires_at
    return values


@functools.cache
def _governing(many: int) -> sa.Update:
    """Write what governs so many backups.

    Kept, for making it costs more than all else that is done of it here.
    """
    table = rows.BACKUPS
    ids = [
        sa.bindparam(f"id_{number}", type_=table.c.id.type)
        for number in range(many)
    ]
    expires_at = sa.case(
        {
            each: sa.bindparam(f"at_{number}", type_=table.c.expires_at.type)
            for number, each in enumerate(ids)
        },
        value=table.c.id,
    )
    return (
        sa.update(table)
        .where(table.c.id.in_(ids))
        .values(
            **{name: sa.bindparam(f"its_{name}") for name in _ALIKE},
            expires_at=expires_at,
            updated_at=sa.bindparam("now"),
        )
    )
