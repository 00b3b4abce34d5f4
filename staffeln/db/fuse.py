# SPDX-License-Identifier: Apache-2.0
"""Keeps questions from a database that does not answer.

Each question that waits in vain holds a thread. With all of them held, who
asks next would wait for theirs to end and then in vain for himself; so after
some failures the others are refused at once.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from staffeln.domain import errors

ENOUGH = 3
"""Failures in a row after which it is not asked."""
PAUSE = 1.0
"""Seconds from a failure to the next one that is let through."""


class BlownError(errors.StoreError):
    """The database is not asked, for it did not answer others."""


class Fuse:
    """Whether a question is worth asking; used by many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._next_try = 0.0
        self._tried = False

    @contextlib.contextmanager
    def question(self) -> Iterator[None]:
        """A question; one that ends with an error was not answered.

        After enough of these only one at a time is let through, and so
        long after the last failure.

        :raises BlownError: this one is not let through.
        """
        tries = self._let_through()
        try:
            yield
        except BaseException:
            self._failed(tries)
            raise
        self._answered(tries)

    def _let_through(self) -> bool:
        """Whether this is the one that tries what the others may not."""
        with self._lock:
            if self._failures < ENOUGH:
                return False
            if self._tried or self._clock() < self._next_try:
                raise BlownError("the last questions had no answer either")
            self._tried = True
            return True

    def _failed(self, tries: bool) -> None:
        with self._lock:
            self._failures += 1
            self._next_try = self._clock() + PAUSE
            self._tried &= not tries

    def _answered(self, tries: bool) -> None:
        with self._lock:
            self._failures = 0
            self._tried &= not tries
