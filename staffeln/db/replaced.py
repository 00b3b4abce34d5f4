# SPDX-License-Identifier: Apache-2.0
"""An SQLite file that another one took the place of while it was open.

An open file stays what it was, even when it is deleted: whoever keeps it
open would write for nobody, and would not see what others write.
"""

from __future__ import annotations

import os
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc, pool

from staffeln.db import faults

_OPENED = "staffeln_opened_file"


def leave_replaced_file(engine: sa.Engine) -> None:
    """Let each use of a connection be one of the file that is there now.

    For an engine to which nobody has said yet how it connects: the first
    who makes a connection is the last to be asked.
    """

    @sa.event.listens_for(engine, "do_connect")
    def _note(
        dialect: Any,
        record: pool.ConnectionPoolEntry,
        where: list[Any],
        _how: object,
    ) -> None:
        # Looked at first: a file that comes between this and the opening is
        # found to be another one at the next use.
        opened = _file_at(str(where[0]))
        if opened is None:
            # SQLite would make an empty one.
            raise dialect.loaded_dbapi.OperationalError(
                f"{faults.FILE_GONE}: {where[0]}"
            )
        record.info[_OPENED] = str(where[0]), opened

    @sa.event.listens_for(engine, "checkout")
    def _look(
        _connection: object, record: pool.ConnectionPoolEntry, _proxy: object
    ) -> None:
        path, opened = record.info.get(_OPENED, ("", None))
        if opened is None or _file_at(path) != opened:
            raise exc.DisconnectionError("another file is there now")


def _file_at(path: str) -> tuple[int, int] | None:
    """What tells a file from another one; None: there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
