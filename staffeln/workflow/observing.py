# SPDX-License-Identifier: Apache-2.0
"""Telling observers: all of them, and none can hurt who tells."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from staffeln import ports
from staffeln.domain import model, task

LOG = logging.getLogger(__name__)


class Observers:
    """Tells several observers; what one of them raises is logged, no more.

    With none of them it tells nobody.
    """

    def __init__(self, observers: Sequence[ports.Observer] = ()) -> None:
        self._observers = tuple(observers)

    def moved(self, before: task.State | None, work: task.Task) -> None:
        """A task stands elsewhere now; None: it is new."""
        self._each(lambda observer: observer.moved(before, work))

    def cycle_ended(self, cycle: model.Cycle) -> None:
        """A cycle of the scheduler ended without an error."""
        self._each(lambda observer: observer.cycle_ended(cycle))

    def retention_ended(self, seconds: float, *, complete: bool) -> None:
        """A round of retention ended."""
        self._each(
            lambda observer: observer.retention_ended(
                seconds, complete=complete
            )
        )

    def report_sent(
        self,
        report_id: str,
        project_ids: tuple[str, ...],
        receivers: tuple[str, ...],
    ) -> None:
        """A report was delivered."""
        self._each(
            lambda observer: observer.report_sent(
                report_id, project_ids, receivers
            )
        )

    def report_failed(
        self, report_id: str, project_ids: tuple[str, ...]
    ) -> None:
        """A report was not delivered, as far as anybody knows."""
        self._each(
            lambda observer: observer.report_failed(report_id, project_ids)
        )

    def _each(self, tell: Callable[[ports.Observer], None]) -> None:
        for observer in self._observers:
            try:
                tell(observer)
            except Exception:  # none of them may hurt the work
                LOG.exception("%s could not be told", type(observer).__name__)


NOBODY = Observers()
"""Where nobody is to be told."""
