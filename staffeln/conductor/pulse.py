# SPDX-License-Identifier: Apache-2.0
"""A file that tells a probe whether a conductor turns.

Its time is that of the last look that found all well, its contents how far
the conductor has come. A cloud or a database that is away changes neither:
to start a conductor again heals no other system.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import math
import os
import pathlib
import time
from collections.abc import Callable

LOG = logging.getLogger(__name__)

HEART_LIMIT = 300.0
"""Seconds that one sign of life may take: longer than a database that hangs
keeps anybody waiting."""
WORK_LIMIT = 6 * 3600.0
"""Seconds that one turn of another loop may take: longer than the harvest of
a large cloud whose services answer late, and than its calls that are tried
again."""


class Stage(enum.Enum):
    """How far a conductor has come."""

    STARTING = "starting"
    """It waits for the cloud or the database, as long as that takes."""
    WORKING = "working"
    """It is connected, and its loops turn."""


class Pulse:
    """Touches the file while all turns that are watched end in their time."""

    def __init__(
        self, path: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """:param path: of the file; empty: nobody looks, none is written."""
        self._path = pathlib.Path(path) if path else None
        self._clock = clock
        self._until: dict[str, float] = {}
        """When a turn under way has to have ended, by the loop's name."""
        self._told: set[str] = set()
        self._unwritten = False

    def watched(
        self, name: str, turn: Callable[[], float], limit: float
    ) -> Callable[[], float]:
        """A loop's turn that is missed when it lasts for too long.

        :param limit: seconds that it may take.
        """

        self._until[name] = math.inf

        def timed() -> float:
            self._until[name] = self._clock() + limit
            try:
                return turn()
            finally:
                self._until[name] = math.inf

        return timed

    def beat(self, stage: Stage) -> None:
        """Touch the file, unless a turn takes too long; never fails."""
        now = self._clock()
        stuck = {name for name, until in self._until.items() if now > until}
        for name in sorted(stuck - self._told):
            LOG.error("%s: a turn takes too long; probes are told", name)
        self._told = stuck
        if self._path is None or stuck:
            return
        # Renamed, so that no probe finds it empty.
        written = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            written.write_text(f"{stage.value}\n")
            written.replace(self._path)
        except OSError as error:
            if not self._unwritten:
                LOG.warning("[conductor] alive_file: %s", error)
            self._unwritten = True
        else:
            self._unwritten = False

    def end(self) -> None:
        """Remove the file: nothing turns any more."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
