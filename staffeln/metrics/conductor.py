# SPDX-License-Identifier: Apache-2.0
"""Numbers about a conductor, and by the one in office about all.

What one conductor does is counted by each. What the whole deployment comes
to is told by the conductor in office alone, so that sums over all of them
are right; out of office it tells nothing of it.
"""

from __future__ import annotations

import bisect
import datetime
import time
from collections.abc import Callable, Iterator, Sequence

import prometheus_client
from prometheus_client import core, registry

from staffeln import ports, version
from staffeln.domain import census, model, task

OTHERS = "other"
"""The label of all projects that have no series of their own."""
NEW = "new"
"""Where a task comes from that was not there before."""
NO_ANSWER = "none"
"""The status of a call that got no answer."""
_GIB = 1024**3
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0

_CALLS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ROUNDS = (1, 5, 15, 60, 300, 900, 1800, 3600, 4 * _HOUR)
_MOVES = [
    *((NEW, state.value) for state in (task.State.PLANNED, task.State.FAILED)),
    *(
        (before.value, after.value)
        for before, many in task.TRANSITIONS.items()
        for after in sorted(many)
    ),
]
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


class ConductorMetrics:
    """An observer that counts; it is read by :meth:`render`."""

    def __init__(
        self,
        in_office: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """:param in_office: whether this conductor is the scheduler.

        :param clock: seconds, on a clock that never jumps.
        """
        # They would double the number of series.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._in_office = in_office
        self._clock = clock
        self._registry = prometheus_client.CollectorRegistry()
        self._deployment = _Deployment(in_office, clock)
        self._make_counters()
        self._registry.register(self._deployment)

    def _make_counters(self) -> None:
        of = self._registry
        prometheus_client.Gauge(
            "staffeln_build_info", "1; what runs.", ("version",), registry=of
        ).labels(version.version_string()).set(1)
        prometheus_client.Gauge(
            "staffeln_scheduler_in_office",
            "Whether this conductor is the scheduler.",
            registry=of,
        ).set_function(lambda: float(self._in_office()))
        self._moves = prometheus_client.Counter(
            "staffeln_task_moves",
            "Changes of tasks' states that this conductor saved.",
            ("kind", "from_state", "to_state"),
            registry=of,
        )
        self._calls = prometheus_client.Histogram(
            "staffeln_openstack_request_seconds",
            "Seconds from a call of OpenStack to its answer, or to its end "
            "without one.",
            ("service", "method", "status"),
            buckets=_CALLS,
            registry=of,
        )
        self._cycles = _round(of, "cycle", "cycle: harvest, plan, write")
        self._retention = _round(of, "retention", "round of retention")
        self._reports = prometheus_client.Counter(
            "staffeln_reports",
            "Reports that this conductor sent, or could not send.",
            ("outcome",),
            registry=of,
        )
        self._notifications = prometheus_client.Counter(
            "staffeln_notifications",
            "Notifications of the message bus, by what became of them.",
            ("outcome",),
            registry=of,
        )
        self._heartbeats = prometheus_client.Counter(
            "staffeln_heartbeats",
            "Calls of heartbeat_url, by what became of them.",
            ("outcome",),
            registry=of,
        )
        # A series that begins with its first event shows no increase then.
        for kind in task.Kind:
            for before, after in _MOVES:
                self._moves.labels(kind.value, before, after)
        for outcome in ("sent", "failed"):
            self._reports.labels(outcome)
        for outcome in ("published", "dropped"):
            self._notifications.labels(outcome)
        for outcome in ("accepted", "failed"):
            self._heartbeats.labels(outcome)

    def render(self) -> bytes:
        """All numbers, in Prometheus's text format."""
        return prometheus_client.generate_latest(self._registry)

    # -- what happens ------------------------------------------------------

    def moved(self, before: task.State | None, work: task.Task) -> None:
        """Count a change of state."""
        self._moves.labels(
            work.kind.value, before.value if before else NEW, work.state.value
        ).inc()

    def cycle_ended(self, cycle: model.Cycle) -> None:
        """Count a cycle, and keep when each volume was last backed up."""
        self._cycles.labels(_outcome(complete=cycle.complete)).observe(
            cycle.seconds
        )
        self._deployment.note_cycle(cycle)

    def retention_ended(self, seconds: float, *, complete: bool) -> None:
        """Count a round of retention."""
        self._retention.labels(_outcome(complete=complete)).observe(seconds)

    def report_sent(
        self,
        report_id: str,  # noqa: ARG002  of the port
        project_ids: tuple[str, ...],  # noqa: ARG002
        receivers: tuple[str, ...],  # noqa: ARG002
    ) -> None:
        """Count a report."""
        self._reports.labels("sent").inc()

    def report_failed(
        self,
        report_id: str,  # noqa: ARG002  of the port
        project_ids: tuple[str, ...],  # noqa: ARG002
    ) -> None:
        """Count a report that did not go out."""
        self._reports.labels("failed").inc()

    def called(
        self,
        service: str,
        method: str,
        _path: str,
        status: int | None,
        seconds: float,
    ) -> None:
        """Count a call of OpenStack, as the wire tells of it."""
        self._calls.labels(
            service, method, NO_ANSWER if status is None else str(status)
        ).observe(seconds)

    def notified(self, number: int, published: bool) -> None:
        """Count notifications that the bus took, or that were dropped."""
        outcome = "published" if published else "dropped"
        self._notifications.labels(outcome).inc(number)

    def heartbeat_called(self, accepted: bool) -> None:
        """Count a call of heartbeat_url."""
        self._heartbeats.labels("accepted" if accepted else "failed").inc()

    def counted(
        self, found: census.Census, freshness: model.Freshness
    ) -> None:
        """Keep what was counted in the database last."""
        self._deployment.note_census(found, freshness)


class Watch:
    """What the conductor in office does for its numbers, now and then."""

    def __init__(
        self, store: ports.Store, metrics: ConductorMetrics, projects: int
    ) -> None:
        """:param projects: how many have a series of their own."""
        self._store = store
        self._metrics = metrics
        self._projects = projects

    def look(self) -> int:
        """Count what the database holds.

        :returns: 0: nothing is planned by it.
        """
        self._metrics.counted(
            self._store.census(self._projects), self._store.freshness()
        )
        return 0


class _Deployment(registry.Collector):
    """What all conductors together come to; empty out of office."""

    def __init__(
        self, in_office: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        self._in_office = in_office
        self._clock = clock
        self._counted: tuple[census.Census, model.Freshness] | None = None
        self._cycle: tuple[model.Cycle, Sequence[float], float] | None = None

    def note_census(
        self, found: census.Census, freshness: model.Freshness
    ) -> None:
        self._counted = found, freshness

    def note_cycle(self, cycle: model.Cycle) -> None:
        times = sorted(map(_seconds, cycle.protected_at))
        self._cycle = cycle, times, self._clock()

    def describe(self) -> Iterator[core.Metric]:
        """Nothing: it would be asked for numbers before there are any."""
        return iter(())

    def collect(self) -> Iterator[core.Metric]:
        """What was counted last."""
        if not self._in_office():
            # The numbers of an earlier term must not come back either.
            self._counted = self._cycle = None
            return
        if self._counted is not None:
            yield from _of_census(self._counted[0])
            yield from _of_freshness(self._counted[1])
        if self._cycle is not None:
            cycle, times, told_at = self._cycle
            now = _seconds(cycle.ended_at) + self._clock() - told_at
            yield _ages(times, now)
            yield _gauge(
                "staffeln_volumes_postponed",
                "Volumes that are due and could not be planned in the last "
                "cycle.",
                cycle.postponed,
            )


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
            "Volumes to protect that have no backup.",
            found.never_protected,
        ),
        (
            "stale",
            "Volumes whose last backup is older than is tolerated.",
            found.stale,
        ),
    ):
        yield _gauge(f"staffeln_volumes_{name}", words, number)


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


def _round(
    of: prometheus_client.CollectorRegistry, name: str, words: str
) -> prometheus_client.Histogram:
    made = prometheus_client.Histogram(
        f"staffeln_{name}_seconds",
        f"Seconds that a {words} took.",
        ("outcome",),
        buckets=_ROUNDS,
        registry=of,
    )
    for complete in (True, False):
        made.labels(_outcome(complete=complete))
    return made


def _outcome(*, complete: bool) -> str:
    return "complete" if complete else "incomplete"


def _seconds(when: datetime.datetime) -> float:
    """Since the epoch, of a time that is UTC without a zone."""
    return when.replace(tzinfo=datetime.UTC).timestamp()
