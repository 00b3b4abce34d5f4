# SPDX-License-Identifier: Apache-2.0
"""What the scheduler's errands write by: its fenced way to the database."""

from __future__ import annotations

from typing import Protocol

from staffeln import ports
from staffeln.domain import task


class Writer(Protocol):
    """The scheduler's fenced door to the database."""

    def write(self, rows: ports.PlanRecord) -> list[task.Task]:
        """Write what was planned, and tell it."""

    def trip_breaker(self, would: int, total: int) -> None:
        """Note that a round did nothing."""

    def reset_breaker(self) -> None:
        """Note that no round waits."""

    def go_on(self) -> None:
        """Raises OvertakenError when the office was lost."""
