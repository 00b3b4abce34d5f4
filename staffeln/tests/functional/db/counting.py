# SPDX-License-Identifier: Apache-2.0
"""A process that counts in a database: ``counting URL TIMES``."""

from __future__ import annotations

import sys

import sqlalchemy as sa

from staffeln.db import rows, session
from staffeln.tests.functional.db import databases


def count_one(connection: sa.Connection) -> None:
    """Read a number, and write the next one."""
    number = connection.execute(sa.select(rows.TERM.c.seq)).scalar_one()
    connection.execute(sa.update(rows.TERM).values(seq=number + 1))


def main(url: str, times: int) -> None:
    """Count so often, a transaction each."""
    database = session.connect(databases.configuration(url))
    for _ in range(times):
        database.write(count_one)
    database.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
