# SPDX-License-Identifier: Apache-2.0
"""Whether the clocks that expiry depends on tell the same time."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable

from staffeln import ports
from staffeln.domain import breaker, errors

LOG = logging.getLogger(__name__)


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
    ) -> None:
        """:param tolerance: how far they may be apart."""
        self._store = store
        self._cloud_time = cloud_time
        self._tolerance = tolerance
        self._host = host

    def apart(self) -> str | None:
        """In words, how far they are apart; None: they agree.

        A clock that cannot be read agrees with nothing.
        """
        try:
            cloud_time = self._cloud_time()
        except errors.CloudError as error:
            return f"Cinder's clock cannot be read: {error}"
        return breaker.clocks_apart(
            {
                "this host": self._host(),
                "the database": self._store.now(),
                "Cinder": cloud_time,
            },
            self._tolerance,
        )

    def agree(self, otherwise: str) -> bool:
        """Whether they agree; if not, the log says what follows.

        :param otherwise: what does not happen then.
        """
        apart = self.apart()
        if apart:
            LOG.error("%s: %s", otherwise, apart)
        return not apart
