# SPDX-License-Identifier: Apache-2.0
"""Are the last rounds and the last backups new enough?"""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import model

ROUNDS = 3
"""Periods after which a round is missed."""
LEAST = datetime.timedelta(minutes=10)
"""Below that no round is missed: one takes its time."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How old each may be."""

    cycle: datetime.timedelta
    """Since the end of the last complete cycle."""
    retention: datetime.timedelta
    """Since the end of the last round of retention that was complete."""
    protection: datetime.timedelta
    """Each last backup, at the end of the last complete cycle."""


def missed(period: datetime.timedelta) -> datetime.timedelta:
    """The age at which a round that begins so often is missed."""
    return max(LEAST, ROUNDS * period)


def age(
    when: datetime.datetime | None, now: datetime.datetime | None
) -> datetime.timedelta | None:
    """How long ago that was; None: it never was."""
    if when is None or now is None:
        return None
    return max(datetime.timedelta(0), now - when)


def protection_age(found: model.Freshness) -> datetime.timedelta | None:
    """The age of the oldest last backup when the last complete cycle ended.

    What was backed up since nobody has looked at; that there is a new
    enough cycle is looked at anyway.
    """
    return age(found.oldest_protection_at, found.cycle_at)


def faults(found: model.Freshness, limits: Limits) -> list[str]:
    """What is not fresh, a line each; none: all is."""
    said = [
        *_round("cycle", found.cycle_at, found.now, limits.cycle),
        *_round(
            "round of retention",
            found.retention_at,
            found.now,
            limits.retention,
        ),
    ]
    oldest = protection_age(found)
    if oldest is not None and oldest > limits.protection:
        said.append(
            f"the oldest last backup of a volume was {_words(oldest)} old, "
            f"more than {_words(limits.protection)}"
        )
    if found.never_protected:
        said.append(
            f"{found.never_protected} volume(s) to protect have no backup"
        )
    return said


def _round(
    name: str,
    when: datetime.datetime | None,
    now: datetime.datetime,
    limit: datetime.timedelta,
) -> list[str]:
    passed = age(when, now)
    if passed is None:
        return [f"no complete {name} has ended yet"]
    if passed > limit:
        return [
            f"the last complete {name} ended {_words(passed)} ago, more than "
            f"{_words(limit)}"
        ]
    return []


def _words(length: datetime.timedelta) -> str:
    """Whole seconds, as people read them."""
    return str(datetime.timedelta(seconds=int(length.total_seconds())))
