# SPDX-License-Identifier: Apache-2.0
"""Trying again, for as long as it makes sense and nobody asks to stop."""

from __future__ import annotations

import dataclasses
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from staffeln.cloud import answers, settings
from staffeln.domain import errors

LOG = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_INTERVAL = 1.0
"""Seconds before the second try; doubled each time, with jitter."""

_STOPPED = "the process is to end: nothing was sent"


@dataclasses.dataclass(slots=True)
class Retries:
    """The one policy of repeating a call.

    Only what is transient is tried again (no connection, no answer, 429,
    5xx), within ``retry_timeout`` seconds. Nothing beneath repeats.
    """

    settings: settings.CloudSettings
    stop: threading.Event = dataclasses.field(default_factory=threading.Event)
    """Set when the process is to end: no waiting any more."""
    clock: Callable[[], float] = time.monotonic
    wait: Callable[[float], bool] | None = None
    """Waits seconds; True means stop. Default: waits for ``stop``."""

    def run(
        self,
        call: Callable[[], T],
        *,
        only_if_not_sent: bool,
        timeout: float | None = None,
    ) -> T:
        """Carry a call out, again where its failure is transient.

        :param only_if_not_sent: the call changes something that must not
            happen twice: repeat only what surely was not carried out.
        :param timeout: seconds in place of ``retry_timeout``.
        :raises StoppedError: the process is to end, and nothing was sent.
        :raises CloudError: what the last try came to.
        """
        if timeout is None:
            timeout = self.settings.retry_timeout
        if self.stop.is_set():
            raise errors.StoppedError(_STOPPED)
        deadline = self.clock() + timeout
        tries = 0
        while True:
            tries += 1
            try:
                return call()
            except answers.FailedCall as failed:
                delay = self._delay(failed, tries, deadline, only_if_not_sent)
                if delay is None:
                    raise failed.error from None
                if self.stop.is_set():
                    raise _stopped_after(failed.error) from None
                LOG.log(
                    logging.WARNING if tries == 1 else logging.DEBUG,
                    "%s; trying again in %.1f s",
                    failed.error,
                    delay,
                )
                if (self.wait or self.stop.wait)(delay):
                    raise _stopped_after(failed.error) from None

    def refuse_late(self, in_time: Callable[[], bool]) -> None:
        """A last look before something is sent that must not come late.

        What is needed for a call, such as a token, may take long itself.

        :raises FailedCall: with what says that nothing was sent.
        """
        if self.stop.is_set():
            raise answers.FailedCall(errors.StoppedError(_STOPPED))
        if not in_time():
            raise answers.FailedCall(
                errors.LateError(
                    "nothing was sent: too much time had passed before it "
                    "could be, or it was not wanted any more"
                )
            )

    def _delay(
        self,
        failed: answers.FailedCall,
        tries: int,
        deadline: float,
        only_if_not_sent: bool,
    ) -> float | None:
        """Seconds until the next try; None: there is none."""
        error = failed.error
        if not failed.transient:
            return None
        if error.status in self.settings.skip_retry_codes:
            return None
        if only_if_not_sent and not isinstance(error, errors.NotSentError):
            return None
        remaining = deadline - self.clock()
        if failed.retry_after is not None:
            # Asking earlier than the service wants would only be refused.
            wanted = max(failed.retry_after, FIRST_INTERVAL)
            return wanted if wanted <= remaining else None
        if remaining <= 0:
            return None
        interval = min(
            self.settings.max_retry_interval,
            FIRST_INTERVAL * 2 ** min(tries - 1, 30),
        )
        # Not for secrets: it only spreads the load of many clients.
        jitter: float = random.uniform(0.5, 1.0)  # nosec B311
        return float(min(interval * jitter, remaining))


def _stopped_after(error: errors.CloudError) -> errors.CloudError:
    """What a stop makes of the last failure: what was sent stays sent."""
    if isinstance(error, errors.NotSentError):
        return errors.StoppedError(
            f"{_STOPPED}; before: {error}",
            status=error.status,
            request_id=error.request_id,
        )
    return error
