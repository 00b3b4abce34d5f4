# SPDX-License-Identifier: Apache-2.0
"""How times are read from MariaDB, and written to it, in little time.

PyMySQL takes a time apart by a regular expression, and puts it together
digit by digit: of all that a large round costs that was a third.
"""

from __future__ import annotations

import datetime
from typing import Any

import sqlalchemy as sa

DRIVER = "pymysql"


def quicken(engine: sa.Engine) -> None:
    """Let an engine that has not connected yet convert times quickly.

    Other drivers than PyMySQL are left as they are.
    """
    if engine.dialect.driver != DRIVER:
        return
    from pymysql import converters
    from pymysql.constants import FIELD_TYPE

    def read(text: str) -> Any:
        """As the driver does: what is no time is told as it is."""
        try:
            return datetime.datetime.fromisoformat(text)
        except ValueError:
            return converters.convert_datetime(text)

    conversions = {
        **converters.conversions,
        FIELD_TYPE.DATETIME: read,
        FIELD_TYPE.TIMESTAMP: read,
        datetime.datetime: write,
    }

    @sa.event.listens_for(engine, "do_connect")
    def _connects(*what: Any) -> None:
        _dialect, _record, _arguments, named = what
        named["conv"] = conversions


def write(when: datetime.datetime, _mapping: object = None) -> str:
    """A time as SQL has it, in its own clock."""
    return f"'{when.replace(tzinfo=None).isoformat(' ')}'"
