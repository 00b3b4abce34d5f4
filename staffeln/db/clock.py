# SPDX-License-Identifier: Apache-2.0
"""The database's clock: the one that all conductors share."""

from __future__ import annotations

import datetime
from typing import cast

import sqlalchemy as sa

from staffeln.db.session import SQLITE_NOW

_NOW = {
    "sqlite": f"SELECT {SQLITE_NOW}()",
    "mysql": "SELECT UTC_TIMESTAMP(6)",
    "postgresql": "SELECT clock_timestamp() AT TIME ZONE 'utc'",
}


def now(connection: sa.Connection) -> datetime.datetime:
    """The time in the database, UTC without a zone."""
    found = connection.exec_driver_sql(
        _NOW[connection.dialect.name]
    ).scalar_one()
    if isinstance(found, str):
        return datetime.datetime.fromisoformat(found)
    return cast("datetime.datetime", found)
