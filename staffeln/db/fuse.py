# SPDX-License-Identifier: Apache-2.0
"""Keeps questions from a database that does not answer.

Each question that waits in vain holds a thread. With all of them held, who
asks next would wait for theirs to end and then in vain for himself; so after
a failure the others are refused at once, until one is answered that tries.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from staffeln.domain import errors

FIRST_PAUSE = 0.1
"""Seconds from a failure to the next question that tries: those that waited
behind it are refused by then, and none of them waits twice."""
LONGEST_PAUSE = 1.0
"""Seconds; it doubles with each failure in a row up to this."""


class BlownError(errors.StoreError):
    """The database is not asked, for it did not answer others."""


class Fuse:
    """Whether a question is worth asking; used by many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._pause = 0.0
        self._next_try = 0.0
        self._is_tried = False

    @contextlib.contextmanager
    def question(self) -> Iterator[None]:
        """A question; one that ends with an error was not answered.

        From then on only one at a time is let through, and none before the
        pause is over, until one is answered.

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
            if not self._pause:
                return False
            if self._is_tried or self._clock() < self._next_try:
                raise BlownError("the last questions had no answer either")
            self._is_tried = True
            return True

    def _failed(self, tries: bool) -> None:
        with self._lock:
            self._pause = min(max(FIRST_PAUSE, 2 * self._pause), LONGEST_PAUSE)
            self._next_try = self._clock() + self._pause
            self._is_tried &= not tries

    def _answered(self, tries: bool) -> None:
        with self._lock:
            self._pause = 0.0
            self._is_tried &= not tries
