# SPDX-License-Identifier: Apache-2.0
"""What one conductor has ended, counted from one cycle to the next."""

from __future__ import annotations

import threading
from collections import Counter

from staffeln import ports
from staffeln.domain import task

_COUNTED = frozenset({task.State.SUCCEEDED, task.State.FAILED})


class Tally(ports.Bystander):
    """An observer that counts tasks that ran and ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ended: Counter[tuple[task.Kind, task.State]] = Counter()

    def moved(self, before: task.State | None, work: task.Task) -> None:
        """Count a task that ended; one that never ran is no work done."""
        if before is None or work.state not in _COUNTED:
            return
        with self._lock:
            self._ended[work.kind, work.state] += 1

    def take(self) -> str:
        """What was counted since the last time, in words; begins anew."""
        with self._lock:
            ended, self._ended = self._ended, Counter()
        return (
            f"{ended[task.Kind.BACKUP, task.State.SUCCEEDED]} backup(s) made, "
            f"{ended[task.Kind.BACKUP, task.State.FAILED]} failed, "
            f"{ended[task.Kind.DELETE, task.State.SUCCEEDED]} deleted"
        )
