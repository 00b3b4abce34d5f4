# SPDX-License-Identifier: Apache-2.0
"""Whether the clocks that expiry depends on tell the same time."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import breaker, errors, seldom

LOG = logging.getLogger(__name__)

TOLD_AGAIN = 600.0
"""Seconds between two lines that say the same of clocks apart."""


def host_time() -> datetime.datetime:
    """This host's clock, UTC without a zone."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)


class DatabaseTime:
    """The database's clock, told between two questions by our own."""

    def __init__(
        self, store: ports.Store, monotonic: Callable[[], float]
    ) -> None:
        """:param monotonic: seconds, on a clock that never jumps and goes on
        while this process stands still.
        """
        self._store = store
        self._monotonic = monotonic
        self._known: tuple[datetime.datetime, float] | None = None

    def ask(self) -> datetime.datetime:
        """The time as the database tells it.

        :raises StoreError: it does not.
        """
        self._known = known = (self._store.now(), self._monotonic())
        return known[0]

    def now(self) -> datetime.datetime:
        """The time by the last answer and what has passed since then."""
        if self._known is None:
            return self.ask()
        then, at = self._known
        return then + datetime.timedelta(seconds=self._monotonic() - at)


class Clocks:
    """Those of this host, of the database and of Cinder.

    With SQLite the database's clock is the host's.
    """

    def __init__(
        self,
        store: ports.Store,
        cloud_time: Callable[[], datetime.datetime],
        tolerance: datetime.timedelta,
        host: Callable[[], datetime.datetime] = host_time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param tolerance: how far they may be apart.

        :param monotonic: seconds, on a clock that never jumps.
        """
        self._store = store
        self._cloud_time = cloud_time
        self._tolerance = tolerance
        self._host = host
        self._monotonic = monotonic
        self._told = seldom.Seldom(TOLD_AGAIN)
        """What does not happen."""

    def apart(self) -> str | None:
        """In words, how far they are apart; None: they agree.

        A clock that cannot be read agrees with nothing.
        """
        return self._look()[1]

    def agreed(self, otherwise: str) -> datetime.datetime | None:
        """The database's time, as the others tell it too; None: they do not.

        What depends on the time goes by this very answer: a database may
        have another clock the next time it is asked. The log says what
        follows where they are apart, once and again from time to time.

        :param otherwise: what does not happen then.
        """
        now, apart = self._look()
        if not apart:
            self._told.forget(otherwise)
            return now
        if self._told.is_due(otherwise, self._monotonic()):
            LOG.error("%s: %s", otherwise, apart)
        return None

    def _look(self) -> tuple[datetime.datetime, str | None]:
        try:
            cloud_time = self._cloud_time()
        except errors.CloudError as error:
            return (
                self._store.now(),
                f"Cinder's clock cannot be read: {error}",
            )
        now = self._store.now()
        return now, breaker.clocks_apart(
            {
                "this host": self._host(),
                "the database": now,
                "Cinder": cloud_time,
            },
            self._tolerance,
        )


class Agreement:
    """That the clocks agree, asked for at most once in a while."""

    def __init__(
        self,
        clocks: Clocks,
        database: DatabaseTime,
        period: datetime.timedelta,
    ) -> None:
        """:param period: for which an answer holds."""
        self._clocks = clocks
        self._database = database
        self._period = period
        self._since: datetime.datetime | None = None

    def holds(self, otherwise: str) -> bool:
        """Whether they agree, or did a moment ago and none jumped since.

        :param otherwise: what does not happen where they do not.
        """
        since, now = self._since, self._database.now()
        if since is not None and since <= now < since + self._period:
            return True
        self._since = self._clocks.agreed(otherwise)
        return self._since is not None
