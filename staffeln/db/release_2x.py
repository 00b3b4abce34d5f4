# SPDX-License-Identifier: Apache-2.0
"""The database of an earlier release (2.x): is it there, in use, its rows.

It says what there is, in the words of that release; what becomes of it is
for those who ask.
"""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from staffeln.db import clock, exported
from staffeln.domain import errors

OLD = ("backup_data", "queue_data", "report_timestamp")

QUIET_TIME = datetime.timedelta(minutes=10)
"""Old rows that changed later than that tell of a conductor that runs."""

_TIMES = ("created_at", "updated_at")
_WHOSE = ("backup_id", "project_id", "volume_id", "instance_id")
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "backup_data": ("id", *_TIMES, *_WHOSE, "backup_completed"),
    "queue_data": ("id", *_TIMES, *_WHOSE, "backup_status"),
    "report_timestamp": ("id", *_TIMES),
}
"""Columns that every revision of that release had."""


def old_tables(connection: sa.Connection) -> list[str]:
    """Which tables of the earlier release are there, not put aside."""
    names = set(sa.inspect(connection).get_table_names())
    return [name for name in OLD if name in names]


def refuse_while_in_use(connection: sa.Connection) -> None:
    """:raises SchemaError: a conductor of that release seems to run."""
    words = in_use(connection)
    if words is not None:
        raise errors.SchemaError(words)


def in_use(connection: sa.Connection) -> str | None:
    """Why somebody seems to be at work on the old tables, and what to do."""
    at = clock.now(connection)
    names = old_tables(connection)
    # What an export wrote tells of no conductor, however new it is.
    still = exported.untouched(connection, names)
    for name in names:
        if name in still:
            continue
        columns = _reflected(connection, name).c
        times = connection.execute(
            sa.select(*(columns[each] for each in _TIMES))
        )
        newest = max(
            filter(None, map(_time, itertools.chain(*times))),
            default=at - QUIET_TIME,
        )
        if newest > at + QUIET_TIME:
            # Waiting would not help: it is no time of a change.
            return (
                f"a row of {name} is of {newest}, which is yet to come: make "
                "sure that no conductor of the earlier release runs, and use "
                "--force"
            )
        if newest > at - QUIET_TIME:
            return (
                f"rows of {name} changed within the last "
                f"{int(QUIET_TIME.total_seconds() // 60)} minutes: stop all "
                "conductors of the earlier release and wait, or use --force"
            )
    return None


def _reflected(connection: sa.Connection, name: str) -> sa.Table[Any]:
    """A table of the earlier release; its times are as the driver has them.

    :raises SchemaError: it is a table of something else.
    """
    table = sa.Table(
        name,
        sa.MetaData(),
        *(sa.Column(each, sa.types.NullType()) for each in _TIMES),
        autoload_with=connection,
    )
    there = {each["name"] for each in sa.inspect(connection).get_columns(name)}
    missing = [each for each in _NEEDED[name] if each not in there]
    if missing:
        raise errors.SchemaError(
            f"table {name} has no {', '.join(missing)}: it is not that of an "
            "earlier release"
        )
    return table


def old_rows(connection: sa.Connection, name: str) -> Iterator[dict[str, Any]]:
    """Rows oldest first; columns that the release had not yet are not there.

    :raises SchemaError: it is a table of something else.
    """
    table = _reflected(connection, name)
    for row in connection.execute(sa.select(table).order_by(table.c.id)).all():
        found = dict(row._mapping)
        found.update((each, _time(found[each])) for each in _TIMES)
        yield found


def _time(value: Any) -> datetime.datetime | None:
    """UTC, naive; None where there is none, or none that can be read.

    SQLite has texts, and MariaDB has one for the time zero.
    """
    if isinstance(value, str):
        try:
            value = datetime.datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime.datetime):
        return None
    read: datetime.datetime = value
    if read.tzinfo is not None:
        read = read.astimezone(datetime.UTC)
    return read.replace(tzinfo=None)
