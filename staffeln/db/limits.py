# SPDX-License-Identifier: Apache-2.0
"""How long a server and its client wait for each other.

Neither side hears of a host that lost its power, or of a process that
stands still: their connections stay open.
"""

from __future__ import annotations

import sqlalchemy as sa

SILENCE = 30
"""Seconds that a server may be silent until its connection is lost: so that
a sign of life comes in time from whoever waited for a host that lost its
power, or for a node that stands still."""

IDLE = 10
"""Seconds that a client may be silent in a transaction until the server
rolls it back and closes the connection. Otherwise a conductor that stands
still keeps the rows that it has written from all others for as long as it
does: nobody could take the office from a scheduler that stopped there."""

_SILENCE = {
    "pymysql": {
        "read_timeout": str(SILENCE),
        "write_timeout": str(SILENCE),
    },
    # This driver knows of hosts that are gone, not of servers that stand
    # still.
    "psycopg2": {
        "connect_timeout": "10",
        "keepalives_idle": str(SILENCE // 2),
        "keepalives_interval": str(SILENCE // 6),
        "keepalives_count": "3",
        "tcp_user_timeout": str(SILENCE * 1000),
    },
}

_IDLE = {
    # What follows the M! is read by MariaDB only: MySQL has no such limit,
    # and would refuse the name.
    "mysql": (
        "SET @staffeln_idle = {0} "
        "/*M!100300 , SESSION idle_transaction_timeout = {0} */"
    ),
    "postgresql": "SET idle_in_transaction_session_timeout = '{0}s'",
}


def with_silence(url: sa.URL) -> sa.URL:
    """The URL with limits for a server's silence, where it has none."""
    limits = _SILENCE.get(url.get_driver_name(), {})
    return url.update_query_dict({**limits, **url.query})


def end_idle_transactions(engine: sa.Engine) -> None:
    """Let the server end transactions whose client says nothing.

    For an engine that has not connected yet.
    """
    statement = _IDLE.get(engine.dialect.name)
    if statement is None:
        return

    @sa.event.listens_for(engine, "connect")
    def _connected(connection: object, _record: object) -> None:
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute(statement.format(IDLE))
        cursor.close()
        # A rollback would undo it on PostgreSQL.
        connection.commit()  # type: ignore[attr-defined]
