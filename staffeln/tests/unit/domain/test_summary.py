# SPDX-License-Identifier: Apache-2.0
"""The operators' summary: failures by cause and project."""

from __future__ import annotations

import dataclasses
import uuid
from unittest import mock

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import report, summary, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, NOW


def failure(reason: str, number: int = 1) -> report.Finished:
    """A backup that failed."""
    return report.Finished(
        work=samples.backup_task(
            f"t{number}", state=task.State.FAILED, reason=reason
        )
    )


def told(*projects: report.ProjectReport) -> report.Report:
    """A report of these, whose oldest task is a day old."""
    return report.Report(
        id="r1", created_at=NOW, since=NOW - DAY, projects=projects
    )


def of(
    project_id: str, *reasons: str, succeeded: int = 0
) -> report.ProjectReport:
    """A project with these failures."""
    return report.ProjectReport(
        project_id=project_id,
        project_name=f"name of {project_id}",
        quotas=None,
        failed=tuple(failure(each) for each in reasons),
        succeeded=(failure(""),) * succeeded,
    )


def sum_up(*reports: report.Report) -> summary.Summary:
    tally = summary.Tally()
    for each in reports:
        tally.add(each)
    return tally.sum_up("s1", NOW, cycle=None, topics={}, hands=())


class CauseTest(base.TestCase):
    def test_what_differs_is_left_out(self) -> None:
        for reason, cause in (
            (
                "volume 6a8d9b64-3d4c-4f2e-9a3e-5f3f6f9c2d11 is in error "
                "status",
                "volume … is in error status",
            ),
            (
                "Requested 7G, quota is 10G (413, "
                "req-6a8d9b64-3d4c-4f2e-9a3e-5f3f6f9c2d11)",
                "Requested …G, quota is …G (…, …)",
            ),
            (
                "no role in project 6a8d9b643d4c4f2e9a3e5f3f6f9c2d11",
                "no role in project …",
            ),
            (
                "no answer since 2026-03-31 02:00:00Z\nnor before",
                "no answer since … nor before",
            ),
            ("", "no reason was given"),
        ):
            self.assertEqual(cause, summary.cause_of(reason))

    def test_it_is_cut(self) -> None:
        cause = summary.cause_of("word " * 10**5)
        self.assertEqual(summary.LONGEST_CAUSE, len(cause))
        self.assertTrue(cause.endswith("…"))

    @hypothesis.given(st.uuids(), st.uuids())
    def test_any_two_ids_are_one_cause(
        self, one: uuid.UUID, other: uuid.UUID
    ) -> None:
        causes = {
            summary.cause_of(f"backup {each} vanished")
            for each in (one, other, one.hex, other.hex)
        }
        self.assertEqual({"backup … vanished"}, causes)


class TallyTest(base.TestCase):
    def test_by_cause_and_project(self) -> None:
        found = sum_up(
            told(of("p1", "a 1", "a 2", "b", succeeded=5), of("p2", "a 3")),
            told(of("p3", succeeded=2), of("p1", "b")),
        )
        self.assertEqual(
            [("a …", 3, 2), ("b", 2, 1)],
            [
                (each.words, each.backups, each.projects)
                for each in found.causes
            ],
        )
        self.assertEqual(
            [("p1", 4, 5), ("p2", 1, 0)],
            [
                (each.project_id, each.failed, each.succeeded)
                for each in found.failing
            ],
        )
        self.assertEqual((3, 5, 7), (found.projects, found.totals.failed, 7))
        self.assertEqual(NOW - DAY, found.since)

    def test_since_the_oldest_of_them(self) -> None:
        young = dataclasses.replace(told(of("p2")), since=NOW)
        for reports in ((told(of("p1")), young), (young, told(of("p1")))):
            self.assertEqual(NOW - DAY, sum_up(*reports).since)

    def test_nothing(self) -> None:
        self.assertTrue(summary.Tally().is_empty)
        self.assertEqual((0, NOW), (sum_up().projects, sum_up().since))

    def test_causes_without_end(self) -> None:
        with mock.patch.object(summary, "MOST_CAUSES", 2):
            found = sum_up(told(of("p1", "a", "a", "b", "c", "d")))
        self.assertEqual(
            {"a": 2, "b": 1, summary.OTHER_CAUSES: 2},
            {each.words: each.backups for each in found.causes},
        )

    @hypothesis.given(
        st.lists(
            st.tuples(
                st.sampled_from(["p1", "p2", "p3"]),
                st.lists(st.text(max_size=5), max_size=5),
            ),
            max_size=8,
        )
    )
    def test_no_failure_is_lost(
        self, projects: list[tuple[str, list[str]]]
    ) -> None:
        found = sum_up(*(told(of(each, *why)) for each, why in projects))
        number = sum(len(why) for _, why in projects)
        self.assertEqual(number, found.totals.failed)
        self.assertEqual(number, sum(each.backups for each in found.causes))
        self.assertEqual(number, sum(each.failed for each in found.failing))
