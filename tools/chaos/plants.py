# SPDX-License-Identifier: Apache-2.0
"""Bugs to plant, which a chaos run has to find.

Each takes away one of the things that keep backups safe, in the processes
that :mod:`tools.chaos.launcher` starts and nowhere else.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

from staffeln.db import registry
from staffeln.engines import following
from staffeln.wiring import settings
from staffeln.workflow import start
from staffeln.workflow.follow import Follower
from staffeln.workflow.settings import Settings

ABSENCE = datetime.timedelta(days=1)
"""Longer than anybody waits for a second proof."""


def _replace(owner: Any, name: str, by: Callable[..., Any]) -> None:
    setattr(owner, name, by)


def _fencing_off() -> None:
    """A scheduler writes whatever its term is."""

    def fence(_connection: Any, _term: int) -> None:
        pass

    _replace(registry, "fence", fence)


def _adoption_off() -> None:
    """What an unanswered attempt made is never found."""

    def find(_starter: Any, _work: Any) -> None:
        return None

    _replace(start.Starter, "_find_unrecorded", find)


def _settle_time_0() -> None:
    """An attempt without an answer is taken for one that made nothing."""
    real = settings.workflow

    def workflow(conf: Any) -> Settings:
        found = real(conf)
        object.__setattr__(found, "create_settle_time", datetime.timedelta())
        return found

    _replace(settings, "workflow", workflow)


def _absence_from_list() -> None:
    """What no list shows is gone."""

    def read_each(round_: Any) -> None:
        for backup_id in round_._unseen:
            round_._ended[backup_id] = None

    def by_lists(_round: Any) -> bool:
        return False

    _replace(following.Round, "_read_each", read_each)
    _replace(following.Round, "_one_call_each_is_fine", by_lists)
    real = Follower._absent

    def absent(follower: Any, work: Any, row: Any, now: Any) -> Any:
        object.__setattr__(row, "missing_since", now - 2 * ABSENCE)
        return real(follower, work, row, now)

    _replace(Follower, "_absent", absent)


PLANTS: dict[str, Callable[[], None]] = {
    "fencing-off": _fencing_off,
    "adoption-off": _adoption_off,
    "settle-time-0": _settle_time_0,
    "absence-from-list": _absence_from_list,
}
