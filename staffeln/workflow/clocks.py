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
