# SPDX-License-Identifier: Apache-2.0
"""What keeps a round of retention from happening: its size, and clocks."""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping

from staffeln.domain import model, policies, schedule

CONFIRMED_FOR = datetime.timedelta(days=1)
"""How long an operator's yes holds."""

CONFIRMED_MORE = 1.1
"""What is confirmed grows while it waits: so many times as much is meant."""


def is_too_large(
    would: int, total: int, policy: policies.RetentionPolicy
) -> bool:
    """Whether a round needs an operator's yes.

    :param would: how many backups it would delete or forget.
    :param total: how many managed backups there are.
    """
    return would >= policy.small_round and would > policy.max_fraction * total


def is_confirmed(
    breaker: model.Breaker | None, would: int, now: datetime.datetime
) -> bool:
    """Whether an operator has agreed to a round of this size."""
    return (
        breaker is not None
        and breaker.confirmed_at is not None
        and now < breaker.confirmed_at + CONFIRMED_FOR
        and would <= breaker.would * CONFIRMED_MORE
    )


def clocks_apart(
    clocks: Mapping[str, datetime.datetime], tolerance: datetime.timedelta
) -> str | None:
    """In words, how far clocks are apart; None: they agree.

    :param clocks: by whose they are, what they showed at one moment.
    """
    slow = min(clocks, key=lambda whose: clocks[whose])
    fast = max(clocks, key=lambda whose: clocks[whose])
    apart = clocks[fast] - clocks[slow]
    if apart <= tolerance:
        return None
    # Rounded up: what is shown is more than what is tolerated.
    shown = datetime.timedelta(seconds=math.ceil(apart.total_seconds()))
    return (
        f"the clock of {fast} ({schedule.words(clocks[fast])}) and that of "
        f"{slow} ({schedule.words(clocks[slow])}) are {shown} apart; "
        f"{tolerance} are tolerated"
    )
