# SPDX-License-Identifier: Apache-2.0
"""Whether the clocks that expiry depends on tell the same time."""

from __future__ import annotations

import datetime
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import breaker


def host_time() -> datetime.datetime:
    """This host's clock, UTC without a zone."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


def apart(
    store: ports.Store,
    cloud_time: Callable[[], datetime.datetime],
    tolerance: datetime.timedelta,
    host: Callable[[], datetime.datetime] = host_time,
) -> str | None:
    """In words, how far this host, the database and Cinder are apart.

    None: they agree. With SQLite the database's clock is the host's.

    :raises CloudError: Cinder could not be asked.
    """
    return breaker.clocks_apart(
        {
            "this host": host(),
            "the database": store.now(),
            "Cinder": cloud_time(),
        },
        tolerance,
    )
