# SPDX-License-Identifier: Apache-2.0
"""What all parts of the store on SQL stand on."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from staffeln.db import clock, registry
from staffeln.db.session import Database

T = TypeVar("T")


class Connected:
    """A database, and how it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def description(self) -> str:
        """The kind of database, for the log."""
        return self._database.engine.dialect.name

    def close(self) -> None:
        """Let go of all connections."""
        self._database.close()

    def _read(self, work: Callable[[sa.Connection], T]) -> T:
        return self._database.read(work)

    def _write(self, work: Callable[[sa.Connection], T]) -> T:
        return self._database.write(work)

    def now(self) -> datetime.datetime:
        """The database's clock, UTC."""
        return self._read(clock.now)

    def _fenced(self, term: int, work: Callable[[sa.Connection], T]) -> T:
        """Write in the name of the scheduler of a term.

        :raises OvertakenError: the term is over.
        """

        def write(connection: sa.Connection) -> T:
            registry.fence(connection, term)
            return work(connection)

        return self._write(write)
