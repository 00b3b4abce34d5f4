# SPDX-License-Identifier: Apache-2.0
"""Holding the office: renewed while it lasts, and its loss noticed in time.

A holder believes an answer of its backend until a deadline that counts
from before the question was sent, on a clock that goes on while the process
stands still or the host sleeps. Whoever wants the office waits longer than
that. So a holder that is cut off stops before another one begins.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from staffeln.domain import errors
from staffeln.leadership.contract import Backend

LOG = logging.getLogger(__name__)


def boot_time() -> float:
    """Seconds on a clock that never stands still and is never set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class _Tenure:
    """One time in office, from an acquired lock to its end."""

    def __init__(self, valid_until: float) -> None:
        self.valid_until = valid_until
        self.over = threading.Event()
        self.doubt = ""
        """Why the last renewal failed; empty after one that did not."""


class Holding:
    """Leadership by holding the lock of a backend."""

    def __init__(
        self,
        backend: Backend,
        *,
        local: bool,
        renew_deadline: float,
        retry_period: float,
        clock: Callable[[], float] = boot_time,
    ) -> None:
        """:param renew_deadline: seconds for which an answer is believed,
            where the backend's lock expires.

        :param retry_period: seconds between two renewals.
        """
        self._backend = backend
        self._local = local
        self._renew_deadline = renew_deadline
        self._retry_period = retry_period
        self._clock = clock
        self._on_loss: Callable[[str], None] = lambda _reason: None
        self._mutex = threading.Lock()
        self._calls = threading.Lock()
        self._tenure: _Tenure | None = None

    @property
    def description(self) -> str:
        """The backend in words, without secrets."""
        return self._backend.description

    @property
    def local(self) -> bool:
        """Whether the backend serves the conductors of one host only."""
        return self._local

    def watch(self, on_loss: Callable[[str], None]) -> None:
        """Call this, with the reason, whenever the office is lost."""
        self._on_loss = on_loss

    def acquire(self) -> bool:
        """Try to take office, without waiting; True when held already.

        :raises CoordinationError: the backend did not answer.
        :raises ConfigurationError: it cannot be used as it is set up.
        """
        if self.held():
            return True
        if not self._calls.acquire(timeout=self._renew_deadline):
            raise errors.CoordinationError(
                f"the {self.description} has not answered the call before"
            )
        try:
            return self._begin()
        finally:
            self._calls.release()

    def _begin(self) -> bool:
        if self.held():
            return True
        with self._mutex:
            last = self._tenure
        if last is not None:
            # Its guard has not noticed yet: a loss is told all the same.
            self._expire(last)
        sent = self._clock()
        if not self._backend.acquire(self._renew_deadline):
            return False
        tenure = _Tenure(self._believed_until(sent))
        if self._clock() >= tenure.valid_until:
            self._let_go()
            raise errors.CoordinationError(
                f"the {self.description} answered too late to be believed"
            )
        with self._mutex:
            self._tenure = tenure
        watches = [self._keep]
        if self._backend.expires:
            watches.append(self._guard)
        for watch in watches:
            threading.Thread(
                target=watch, args=(tenure,), name="office", daemon=True
            ).start()
        return True

    def held(self) -> bool:
        """Whether the office is still held, without asking anybody."""
        with self._mutex:
            tenure = self._tenure
            return tenure is not None and self._clock() < tenure.valid_until

    def release(self) -> None:
        """Give the office back; harmless when it is not held."""
        with self._mutex:
            tenure, self._tenure = self._tenure, None
        if tenure is None:
            return
        tenure.over.set()
        if not self._calls.acquire(timeout=self._renew_deadline):
            LOG.warning("The %s is not given back: it hangs", self.description)
            return
        try:
            self._let_go()
        finally:
            self._calls.release()

    def close(self) -> None:
        """Release and let go of all connections; harmless when done."""
        self.release()
        self._backend.close()

    def _let_go(self) -> None:
        try:
            self._backend.release(self._renew_deadline)
        except errors.CoordinationError as error:
            LOG.warning(
                "The %s could not be given back; it goes when it expires: %s",
                self.description,
                error,
            )

    # -- while it lasts ----------------------------------------------------

    def _keep(self, tenure: _Tenure) -> None:
        """Renew, until the end."""
        while not tenure.over.wait(self._retry_period):
            with self._calls:
                if tenure.over.is_set():
                    return
                self._renew(tenure)

    def _renew(self, tenure: _Tenure) -> None:
        sent = self._clock()
        left = min(tenure.valid_until - sent, self._renew_deadline)
        if left <= 0:
            return  # the guard says so
        try:
            mine = self._backend.renew(left)
        except errors.StaffelnError as error:
            if not tenure.doubt:
                LOG.warning("The office is not renewed: %s", error)
            tenure.doubt = str(error)
            return
        except Exception as error:  # the thread's border
            LOG.exception("The office is not renewed")
            tenure.doubt = repr(error)
            return
        if not mine:
            self._lose(tenure, f"the {self.description} is not ours any more")
            return
        with self._mutex:
            # An answer that comes after the deadline revives nothing.
            if self._clock() < tenure.valid_until:
                tenure.valid_until = self._believed_until(sent)
        if tenure.doubt:
            LOG.info("The office is renewed again")
            tenure.doubt = ""

    def _guard(self, tenure: _Tenure) -> None:
        """Notice the deadline, whatever the calls under way do."""
        while True:
            with self._mutex:
                left = tenure.valid_until - self._clock()
            if left <= 0:
                self._expire(tenure)
                return
            if tenure.over.wait(left):
                return

    def _expire(self, tenure: _Tenure) -> None:
        self._lose(
            tenure,
            f"not renewed for {self._renew_deadline:g} s: "
            f"{tenure.doubt or 'no answer'}",
        )

    def _lose(self, tenure: _Tenure, why: str) -> None:
        with self._mutex:
            if self._tenure is not tenure:
                return
            self._tenure = None
        tenure.over.set()
        self._on_loss(why)

    def _believed_until(self, sent: float) -> float:
        if self._backend.expires:
            return sent + self._renew_deadline
        return math.inf
