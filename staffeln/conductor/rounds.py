# SPDX-License-Identifier: Apache-2.0
"""What the loops of a conductor call, and all that one conductor is."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence
from typing import Protocol

from staffeln import ports


class Scheduling(Protocol):
    """The leader's work, for one term of office."""

    def take_office(self) -> None:
        """Begin a term."""

    def lead(self) -> int:
        """One cycle; how many tasks were planned."""

    def retain(self) -> int:
        """One round of retention; how many deletes were planned."""

    def report(self) -> int:
        """Tell people what ended, if there was a cycle since."""

    def reconcile(self) -> int:
        """Hold rows and backups against each other when it is time."""


class Working(Protocol):
    """What every conductor does."""

    def work(self) -> int:
        """One round; how many tasks it moved or began to move."""

    @property
    def rest(self) -> datetime.timedelta:
        """How long to wait for the next round if nothing wakes it."""

    def after_outage(self) -> None:
        """The database was away: others are not dead for being silent."""

    def hand_back(self) -> int:
        """Finish the calls under way and give claimed tasks back."""


class Aside(Protocol):
    """What runs beside the loops, in threads of its own: it fails alone."""

    def start(self) -> None:
        """Begin; waits for nothing."""

    def stop(self) -> None:
        """End within a few seconds."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often the loops turn. Seconds, but for the timeout."""

    backup_service_period: float
    retention_service_period: float
    task_poll_period: float
    heartbeat_period: float
    office_period: float
    """Between two looks at whether the office is held or to be had."""
    heartbeat_timeout: datetime.timedelta
    census_period: float = 60
    """Between two counts of what the database holds."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """One conductor, put together and connected."""

    me: ports.Conductor
    store: ports.Store
    leadership: ports.Leadership
    scheduler: Scheduling
    worker: Working
    rhythm: Rhythm
    close: Callable[[], None]
    """Lets go of all connections."""
    count: Callable[[], int] | None = None
    """Counts what the database holds; None: nobody watches."""
    asides: Sequence[Aside] = ()
    cut_short: Callable[[], None] = lambda: None
    """Ends what others may keep waiting for long, such as mail; called first
    when the conductor is to end."""
