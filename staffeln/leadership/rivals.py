# SPDX-License-Identifier: Apache-2.0
"""Who else could be scheduling, unseen by this conductor's backend."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from staffeln import ports


def rival(
    mine: ports.Conductor,
    conductors: Iterable[ports.Conductor],
    now: datetime.datetime,
    heartbeat_timeout: datetime.timedelta,
    *,
    local: bool,
) -> str | None:
    """Why this conductor must not schedule, in one line; None: it may.

    A lock that is local to a host cannot see who schedules on another
    one, and two different backends do not see each other at all.

    :param conductors: all that have a row; silent ones do not count.
    :param now: the database's clock, as the heartbeats are.
    :param local: whether the backend serves one host only.
    """
    for other in conductors:
        if other.id == mine.id:
            continue
        if now - other.heartbeat_at >= heartbeat_timeout:
            continue
        if other.backend != mine.backend:
            return (
                f"conductor {other.id} on {other.host} is alive and "
                f"coordinates by {other.backend}, this one by {mine.backend}; "
                "set [coordination] backend_url to the same on all"
            )
        if local and other.host != mine.host:
            return (
                f"conductor {other.id} on {other.host} is alive, and the "
                f"{mine.backend} serves one host only; set [coordination] "
                "backend_url"
            )
    return None
