# SPDX-License-Identifier: Apache-2.0
"""What is worth saying once, and again only from time to time."""

from __future__ import annotations

from collections.abc import Hashable


class Seldom:
    """Remembers when each thing was last said; for one thread at a time."""

    def __init__(self, period: float) -> None:
        """:param period: seconds that lie between two times, at least."""
        self._period = period
        self._said_at: dict[Hashable, float] = {}

    def is_due(self, what: Hashable, now: float) -> bool:
        """Whether it is to be said now; if so, it counts as said.

        :param now: seconds, on a clock that never jumps.
        """
        said_at = self._said_at.get(what)
        if said_at is not None and now - said_at < self._period:
            return False
        self._said_at[what] = now
        return True

    def forget(self, what: Hashable) -> None:
        """It is over: the next time is the first one again."""
        self._said_at.pop(what, None)
