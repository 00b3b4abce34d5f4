# SPDX-License-Identifier: Apache-2.0
"""Trying until it works, and saying so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from staffeln.domain import errors

LOG = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


def until_done(
    what: str,
    attempt: Callable[[], T],
    passing: tuple[type[Exception], ...],
    wait: Callable[[float], bool],
) -> T | None:
    """Try until it works; each failure is one line, the pauses grow.

    :param what: what is tried, in words, for the log.
    :param passing: errors that may heal by themselves; others are raised.
    :param wait: waits so many seconds; True ends the trying.
    :returns: what the attempt returned; None: told to stop.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            return attempt()
        except passing as error:
            LOG.error(
                "%s failed, next try in %d s: %s",
                what,
                int(pause),
                error,
                exc_info=not isinstance(error, errors.StaffelnError),
            )
        if wait(pause):
            return None
        pause = min(pause * 2, LONGEST_PAUSE)
