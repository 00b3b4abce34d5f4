# SPDX-License-Identifier: Apache-2.0
"""What a conductor tells of itself, and in office of all."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from prometheus_client import parser

from staffeln.domain import census, model, task
from staffeln.metrics import deployment
from staffeln.metrics.conductor import ConductorMetrics, Watch
from staffeln.tests import base
from staffeln.tests.fakes.memory_store import MemoryStore
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, HOUR, NOW

AGES = "staffeln_protection_age_seconds_bucket"
EPOCH = NOW.replace(tzinfo=datetime.UTC).timestamp()


def a_census(**changes: object) -> census.Census:
    """A census of a small deployment."""
    values: dict[str, object] = {
        "taken_at": NOW,
        "term": 3,
        "conductors": 2,
        "tasks": (
            census.TaskCount(
                kind=task.Kind.BACKUP, state=task.State.RUNNING, number=4
            ),
        ),
        "projects": (
            census.ProjectCount(project_id="p1", backups=5, gigabytes=6),
            census.ProjectCount(project_id=None, backups=7, gigabytes=8),
        ),
        "brakes": (
            model.Brake(kind=task.Kind.DELETE, project_id="", since=NOW),
            model.Brake(kind=task.Kind.DELETE, project_id="p1", since=NOW),
            model.Brake(kind=task.Kind.DELETE, project_id="p2", since=NOW),
        ),
        "breaker_waits": True,
    }
    return census.Census(**{**values, **changes})  # type: ignore[arg-type]


def freshness(**changes: object) -> model.Freshness:
    """What a database tells of a deployment that works."""
    values: dict[str, object] = {
        "now": NOW,
        "cycle_at": NOW - HOUR,
        "retention_at": NOW - DAY,
        "selected": 10,
        "dropped": 1,
        "never_protected": 2,
        "stale": 3,
        "oldest_protection_at": NOW - 5 * DAY,
    }
    return model.Freshness(**{**values, **changes})  # type: ignore[arg-type]


def _values(labels: Mapping[str, str]) -> list[str]:
    """The values of labels, in order of their names."""
    return [labels[name] for name in sorted(labels)]


class MetricsTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.in_office = True
        self.time = 100.0
        self.metrics = ConductorMetrics(
            lambda: self.in_office, lambda: self.time
        )

    def numbers(self) -> dict[str, float]:
        """Every sample by its name and labels, as text."""
        text = self.metrics.render().decode()
        return {
            " ".join([each.name, *_values(each.labels)]): each.value
            for family in parser.text_string_to_metric_families(text)
            for each in family.samples
        }

    def test_what_it_counts_of_itself(self) -> None:
        work = samples.backup_task(state=task.State.RUNNING)
        self.metrics.moved(None, samples.backup_task())
        self.metrics.moved(task.State.STARTING, work)
        self.metrics.moved(task.State.STARTING, work)
        self.metrics.called("compute", "GET", "/servers", 200, 0.3)
        self.metrics.called("compute", "GET", "/servers", None, 60)
        self.metrics.report_sent("r", ("p",), ("a@b",))
        self.metrics.report_failed("r", ("p",))
        self.metrics.notified(3, True)
        self.metrics.notified(4, False)
        self.metrics.heartbeat_called(True)
        self.metrics.retention_ended(2, complete=False)
        found = self.numbers()
        for name, value in {
            "staffeln_task_moves_total new backup planned": 1,
            "staffeln_task_moves_total starting backup running": 2,
            "staffeln_openstack_request_seconds_count GET compute 200": 1,
            "staffeln_openstack_request_seconds_count GET compute none": 1,
            "staffeln_openstack_request_seconds_sum GET compute 200": 0.3,
            "staffeln_reports_total sent": 1,
            "staffeln_reports_total failed": 1,
            "staffeln_notifications_total published": 3,
            "staffeln_notifications_total dropped": 4,
            "staffeln_heartbeats_total accepted": 1,
            "staffeln_heartbeats_total failed": 0,
            "staffeln_retention_seconds_count incomplete": 1,
            "staffeln_retention_seconds_count complete": 0,
            "staffeln_scheduler_in_office": 1,
        }.items():
            self.assertEqual(value, found[name], name)

    def test_what_it_tells_of_all(self) -> None:
        self.metrics.counted(a_census(), freshness())
        found = self.numbers()
        for name, value in {
            "staffeln_census_timestamp_seconds": EPOCH,
            "staffeln_scheduler_term": 3,
            "staffeln_conductors": 2,
            "staffeln_retention_waiting": 1,
            "staffeln_tasks backup running": 4,
            "staffeln_tasks delete failed": 0,
            "staffeln_paused delete all": 1,
            "staffeln_paused delete project": 2,
            "staffeln_paused backup all": 0,
            "staffeln_backups p1": 5,
            "staffeln_backups other": 7,
            "staffeln_backups_size_bytes p1": 6 * 1024**3,
            "staffeln_cycle_last_complete_timestamp_seconds": EPOCH - 3600,
            "staffeln_retention_last_complete_timestamp_seconds": (
                EPOCH - 86400
            ),
            "staffeln_protection_oldest_timestamp_seconds": EPOCH - 5 * 86400,
            "staffeln_volumes_selected": 10,
            "staffeln_volumes_dropped": 1,
            "staffeln_volumes_never_protected": 2,
            "staffeln_volumes_stale": 3,
        }.items():
            self.assertEqual(value, found[name], name)

    def test_what_nobody_knows_yet_has_no_number(self) -> None:
        self.metrics.counted(
            a_census(),
            freshness(cycle_at=None, selected=None, oldest_protection_at=None),
        )
        found = self.numbers()
        self.assertNotIn(
            "staffeln_cycle_last_complete_timestamp_seconds", found
        )
        self.assertNotIn("staffeln_volumes_never_protected", found)
        self.assertNotIn("staffeln_protection_oldest_timestamp_seconds", found)

    def test_ages_go_on_between_cycles(self) -> None:
        self.metrics.cycle_ended(
            samples.cycle(
                ended_at=NOW,
                seconds=12,
                postponed=9,
                planned=8,
                failed_at_once=7,
                protected_at=(NOW - HOUR, NOW - 3 * DAY, NOW - 40 * DAY),
            )
        )
        found = self.numbers()
        self.assertEqual(1, found[f"{AGES} 3600.0"])
        self.assertEqual(2, found[f"{AGES} 259200.0"])
        self.assertEqual(3, found["staffeln_protection_age_seconds_count"])
        self.assertEqual(
            3600 + 43 * 86400, found["staffeln_protection_age_seconds_sum"]
        )
        self.assertEqual(9, found["staffeln_volumes_postponed"])
        self.assertEqual(8, found["staffeln_cycle_planned"])
        self.assertEqual(7, found["staffeln_cycle_failed_at_once"])
        self.assertEqual(1, found["staffeln_cycle_seconds_count complete"])
        self.assertEqual(12, found["staffeln_cycle_seconds_sum complete"])
        self.time += 1
        found = self.numbers()
        self.assertEqual(0, found[f"{AGES} 3600.0"])
        self.assertEqual(
            3603 + 43 * 86400, found["staffeln_protection_age_seconds_sum"]
        )

    def test_out_of_office_it_tells_nothing_of_all(self) -> None:
        self.metrics.counted(a_census(), freshness())
        self.metrics.cycle_ended(samples.cycle(protected_at=(NOW,)))
        self.in_office = False
        lost = self.numbers()
        self.in_office = True
        back = self.numbers()
        for found in (lost, back):
            for name in (
                "staffeln_scheduler_term",
                "staffeln_volumes_selected",
                "staffeln_protection_age_seconds_count",
            ):
                self.assertNotIn(name, found)
            self.assertEqual(1, found["staffeln_cycle_seconds_count complete"])

    def test_the_office_may_go_in_the_middle_of_a_scrape(self) -> None:
        told = deployment.Deployment(lambda: self.in_office, lambda: self.time)
        told.note_census(a_census(), freshness())
        told.note_cycle(samples.cycle(protected_at=(NOW,)))
        first = told.collect()
        next(first)
        self.in_office = False
        self.assertEqual([], list(told.collect()))
        self.assertIn(
            "staffeln_volumes_postponed", [each.name for each in first]
        )

    def test_how_often_rounds_are_to_be(self) -> None:
        metrics = ConductorMetrics(lambda: False, periods={"cycle": 90})
        self.assertIn(
            'staffeln_period_seconds{round="cycle"} 90.0',
            metrics.render().decode(),
        )

    def test_what_is_measured_is_a_sentence(self) -> None:
        self.assertIn(
            "# HELP staffeln_cycle_seconds Seconds that a cycle took: "
            "harvest, plan, write.\n",
            self.metrics.render().decode(),
        )

    def test_the_watch_counts_what_the_database_holds(self) -> None:
        store = MemoryStore()
        store.register_conductor("c1", "h", 1, "solo")
        self.assertEqual(0, Watch(store, self.metrics, 10).look())
        self.assertEqual(1, self.numbers()["staffeln_conductors"])
