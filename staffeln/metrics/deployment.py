# SPDX-License-Identifier: Apache-2.0
"""Numbers about all: what the database holds, and how old backups are."""

from __future__ import annotations

import bisect
import datetime
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import core, registry

from staffeln.domain import census, model, task

OTHERS = "other"
"""The label of all projects that have no series of their own."""
_GIB = 1024**3
_HOUR, _DAY = 3600.0, 86_400.0
AGES = (
    _HOUR,
    2 * _HOUR,
    6 * _HOUR,
    12 * _HOUR,
    _DAY,
    2 * _DAY,
    3 * _DAY,
    7 * _DAY,
    14 * _DAY,
    30 * _DAY,
)
"""Upper bounds of the ages of last backups, in seconds."""


class Deployment(registry.Collector):
    """What all conductors together come to; empty out of office."""

    def __init__(
        self, in_office: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        """:param clock: seconds, on a clock that never jumps."""
        self._in_office = in_office
        self._clock = clock
        self._counted: tuple[census.Census, model.Freshness] | None = None
        self._cycle: tuple[model.Cycle, Sequence[float], float] | None = None

    def note_census(
        self, found: census.Census, freshness: model.Freshness
    ) -> None:
        """Keep what was counted in the database last."""
        self._counted = found, freshness

    def note_cycle(self, cycle: model.Cycle) -> None:
        """Keep when each volume was last backed up."""
        times = sorted(map(_seconds, cycle.protected_at))
        self._cycle = cycle, times, self._clock()

    def describe(self) -> Iterator[core.Metric]:
        """Nothing: it would be asked for numbers before there are any."""
        return iter(())

    def collect(self) -> Iterator[core.Metric]:
        """What was counted last.

        It is read at once: another scrape, or the next count, may exchange
        it while this one goes on.
        """
        counted, last_cycle = self._counted, self._cycle
        if not self._in_office():
            # The numbers of an earlier term must not come back either.
            self._counted = self._cycle = None
            return
        if counted is not None:
            yield from _of_census(counted[0])
            yield from _of_freshness(counted[1])
        if last_cycle is not None:
            cycle, times, told_at = last_cycle
            now = _seconds(cycle.ended_at) + self._clock() - told_at
            yield _ages(times, now)
            yield from _of_cycle(cycle)


def _of_census(found: census.Census) -> Iterator[core.Metric]:
    yield _gauge(
        "staffeln_census_timestamp_seconds",
        "When the numbers about all were counted.",
        _seconds(found.taken_at),
    )
    yield _gauge(
        "staffeln_scheduler_term", "The scheduler's term.", found.term
    )
    yield _gauge(
        "staffeln_conductors", "Conductors that live.", found.conductors
    )
    yield _gauge(
        "staffeln_retention_waiting",
        "1 while a round of retention waits for a yes.",
        found.breaker_waits,
    )
    yield _of_tasks(found)
    yield _of_brakes(found)
    backups = core.GaugeMetricFamily(
        "staffeln_backups",
        "Managed backups, by project; all but the largest are one.",
        labels=("project",),
    )
    size = core.GaugeMetricFamily(
        "staffeln_backups_size_bytes",
        "Size of the volumes of managed backups, as quotas count them.",
        labels=("project",),
    )
    for each in found.projects:
        labels = [each.project_id or OTHERS]
        backups.add_metric(labels, each.backups)
        size.add_metric(labels, each.gigabytes * _GIB)
    yield backups
    yield size


def _of_tasks(found: census.Census) -> core.Metric:
    family = core.GaugeMetricFamily(
        "staffeln_tasks",
        "Tasks that are there; ended ones go once they were reported.",
        labels=("kind", "state"),
    )
    numbers = {(each.kind, each.state): each.number for each in found.tasks}
    for kind in task.Kind:
        for state in task.State:
            family.add_metric(
                [kind.value, state.value], numbers.get((kind, state), 0)
            )
    return family


def _of_brakes(found: census.Census) -> core.Metric:
    family = core.GaugeMetricFamily(
        "staffeln_paused",
        "How much an operator has paused: all projects, or single ones.",
        labels=("kind", "scope"),
    )
    for kind in task.Kind:
        mine = [each for each in found.brakes if each.kind is kind]
        single = sum(bool(each.project_id) for each in mine)
        family.add_metric([kind.value, "all"], len(mine) - single)
        family.add_metric([kind.value, "project"], single)
    return family


def _of_freshness(found: model.Freshness) -> Iterator[core.Metric]:
    for name, words, when in (
        (
            "staffeln_cycle_last_complete_timestamp_seconds",
            "When the last cycle ended that read the whole cloud.",
            found.cycle_at,
        ),
        (
            "staffeln_retention_last_complete_timestamp_seconds",
            "When the last round of retention ended that nothing held back.",
            found.retention_at,
        ),
        (
            "staffeln_protection_oldest_timestamp_seconds",
            "The oldest of all volumes' last backups.",
            found.oldest_protection_at,
        ),
    ):
        if when is not None:
            yield _gauge(name, words, _seconds(when))
    if found.selected is None:
        return
    for name, words, number in (
        ("selected", "Volumes to protect.", found.selected),
        (
            "dropped",
            "Volumes with managed backups that are selected no longer.",
            found.dropped,
        ),
        (
            "never_protected",
            "Volumes to protect that have no backup, and had time for one.",
            found.never_protected,
        ),
        (
            "stale",
            "Volumes whose last backup is older than is tolerated.",
            found.stale,
        ),
    ):
        yield _gauge(f"staffeln_volumes_{name}", words, number)


def _of_cycle(cycle: model.Cycle) -> Iterator[core.Metric]:
    for name, words, number in (
        (
            "volumes_postponed",
            "Volumes that are due and could not be planned in the last cycle.",
            cycle.postponed,
        ),
        (
            "cycle_planned",
            "Backups that the last cycle planned.",
            cycle.planned,
        ),
        (
            "cycle_failed_at_once",
            "Backups that failed in the last cycle without a try.",
            cycle.failed_at_once,
        ),
    ):
        yield _gauge(f"staffeln_{name}", words, number)


def _ages(times: Sequence[float], now: float) -> core.Metric:
    """How old the last backups are, from when they were made, sorted."""
    buckets = [
        (
            f"{bound:.1f}",
            float(len(times) - bisect.bisect_left(times, now - bound)),
        )
        for bound in AGES
    ]
    return core.HistogramMetricFamily(
        "staffeln_protection_age_seconds",
        "Time since the last backup of each volume that is to be protected "
        "and has one.",
        buckets=[*buckets, ("+Inf", float(len(times)))],
        sum_value=len(times) * now - sum(times),
    )


def _gauge(name: str, words: str, value: float) -> core.Metric:
    return core.GaugeMetricFamily(name, words, value=float(value))


def _seconds(when: datetime.datetime) -> float:
    """Since the epoch, of a time that is UTC without a zone."""
    return when.replace(tzinfo=datetime.UTC).timestamp()
