# SPDX-License-Identifier: Apache-2.0
"""What must be reached, in one place.

All of it on two cores, with MariaDB on loopback.
"""

from __future__ import annotations

import dataclasses
import math

PAGE = 1000
"""Rows of a page, by the options' own values."""


@dataclasses.dataclass(frozen=True, slots=True)
class Target:
    """A figure, and the bound that it must keep."""

    name: str
    bound: float
    at_least: bool = False

    def reached(self, figure: float) -> bool:
        """Whether a figure keeps the bound."""
        if self.at_least:
            return figure >= self.bound
        return figure <= self.bound


def pages(rows: int) -> int:
    """Pages that a list of so many rows takes."""
    return math.ceil(rows / PAGE)


def list_calls(servers: int, volumes: int) -> Target:
    """Lists of a cycle over so many servers and volumes."""
    return Target(
        "list calls of a cycle", 1.02 * (pages(servers) + pages(volumes)) + 5
    )


def tokens(projects_with_work: int) -> Target:
    """Tokens of projects, in the life of a conductor."""
    return Target("tokens of projects with work", projects_with_work)


OTHERS_TOKENS = Target("tokens of projects without work", 0)
CYCLE_CPU = Target("CPU seconds of harvest and plan, 100,000 volumes", 40)
CYCLE_GROWTH = Target("CPU of 100,000 volumes, times that of 50,000", 2.2)
CYCLE_MEMORY = Target("MiB of the scheduler at most, 100,000 volumes", 350)
IDLE_WRITES = Target("rows that an idle cycle writes beside its own", 0)
IDLE_CPU = Target("CPU seconds of an idle cycle, 100,000 volumes", 40)
POLL_CALLS = Target("calls of a poll round, 10,000 running", 13)
POLL_CPU = Target("CPU seconds of a poll round, 10,000 running", 5)
STATEMENTS = Target("statements per backup, from plan to recorded", 8)
STARTS = Target(
    "starts per second, times those of one at a time", 15, at_least=True
)
