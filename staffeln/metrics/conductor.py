# SPDX-License-Identifier: Apache-2.0
"""Numbers about a conductor, and by the one in office about all.

What one conductor does is counted by each. What the whole deployment comes
to is told by the conductor in office alone, so that sums over all of them
are right; out of office it tells nothing of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import prometheus_client

from staffeln import ports, version
from staffeln.domain import census, model, task
from staffeln.metrics.deployment import Deployment

NEW = "new"
"""Where a task comes from that was not there before."""
NO_ANSWER = "none"
"""The status of a call that got no answer."""

_CALLS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_ROUNDS = (1, 5, 15, 60, 300, 900, 1800, 3600, 14_400)
_MOVES = [
    *((NEW, state.value) for state in (task.State.PLANNED, task.State.FAILED)),
    *(
        (before.value, after.value)
        for before, many in task.TRANSITIONS.items()
        for after in sorted(many)
    ),
]


class ConductorMetrics:
    """An observer that counts; it is read by :meth:`render`."""

    def __init__(
        self,
        in_office: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        periods: Mapping[str, float] | None = None,
    ) -> None:
        """:param in_office: whether this conductor is the scheduler.

        :param clock: seconds, on a clock that never jumps.
        :param periods: seconds from one round to the next, by its name:
            what is late is told by them.
        """
        # They would double the number of series.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._in_office = in_office
        self._clock = clock
        self._registry = prometheus_client.CollectorRegistry()
        self._deployment = Deployment(in_office, clock)
        self._make_counters()
        period = prometheus_client.Gauge(
            "staffeln_period_seconds",
            "Seconds from one round to the next, as configured.",
            ("round",),
            registry=self._registry,
        )
        for name, seconds in (periods or {}).items():
            period.labels(name).set(seconds)
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
        self._cycles = _round(of, "cycle", "cycle", ": harvest, plan, write")
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


def _round(
    of: prometheus_client.CollectorRegistry,
    name: str,
    words: str,
    parts: str = "",
) -> prometheus_client.Histogram:
    made = prometheus_client.Histogram(
        f"staffeln_{name}_seconds",
        f"Seconds that a {words} took{parts}.",
        ("outcome",),
        buckets=_ROUNDS,
        registry=of,
    )
    for complete in (True, False):
        made.labels(_outcome(complete=complete))
    return made


def _outcome(*, complete: bool) -> str:
    return "complete" if complete else "incomplete"
