# SPDX-License-Identifier: Apache-2.0
"""A report holds every task that it tells of once, in order."""

from __future__ import annotations

from collections import Counter

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import digest, report, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

NOW, SECOND = samples.NOW, samples.HOUR / 3600


@st.composite
def ended(draw: st.DrawFn) -> report.Finished:
    """A task that has ended, in whatever way."""
    number = draw(st.integers(0, 50))
    kind = draw(st.sampled_from(task.Kind))
    return report.Finished(
        work=samples.backup_task(
            f"t{draw(st.uuids())}",
            kind=kind,
            state=draw(st.sampled_from(sorted(task.ENDED))),
            mode=None,
            backup_id="b1",
            project_id=draw(st.sampled_from(["pa", "pb", "pc", ""])),
            created_at=NOW - number * SECOND,
            finished_at=draw(st.none() | st.just(NOW + number * SECOND)),
        )
    )


def compiled(told: list[report.Finished]) -> report.Report:
    names = {"pa": "Zoo", "pb": "ape"}
    return digest.of_projects(
        "r1",
        NOW,
        digest.oldest(told) or NOW,
        [
            digest.of_project(
                project_id,
                names.get(project_id),
                found,
                quotas=None,
                forecast=None,
                notices=(),
            )
            for project_id, found in digest.by_project(told).items()
        ],
        detailed=False,
        remarks=(),
    )


class DigestTest(base.TestCase):
    @hypothesis.given(st.lists(ended(), max_size=20))
    def test_each_task_is_there_once_in_its_projects_part(
        self, told: list[report.Finished]
    ) -> None:
        what = compiled(told)
        found: Counter[tuple[str, str]] = Counter()
        for project in what.projects:
            lists = {
                (task.Kind.BACKUP, task.State.FAILED): project.failed,
                (task.Kind.BACKUP, task.State.SUCCEEDED): project.succeeded,
                (task.Kind.BACKUP, task.State.CANCELLED): project.cancelled,
            }
            for (kind, state), shown in lists.items():
                for each in shown:
                    self.assertEqual((kind, state), _sort(each))
            for each in project.removed:
                self.assertEqual(task.Kind.DELETE, each.work.kind)
            for shown in (*lists.values(), project.removed):
                times = [
                    each.work.finished_at or each.work.updated_at
                    for each in shown
                ]
                self.assertEqual(sorted(times, reverse=True), times)
                found.update(
                    (project.project_id, each.work.id) for each in shown
                )
        self.assertEqual(
            Counter((each.work.project_id, each.work.id) for each in told),
            found,
        )

    @hypothesis.given(st.lists(ended(), min_size=1))
    def test_it_begins_with_the_oldest(
        self, told: list[report.Finished]
    ) -> None:
        self.assertEqual(
            min(each.work.created_at for each in told), compiled(told).since
        )

    def test_of_nothing_there_is_no_oldest(self) -> None:
        self.assertIsNone(digest.oldest([]))

    def test_projects_come_by_name_and_those_without_one_last(self) -> None:
        told = [
            report.Finished(
                work=samples.backup_task(
                    f"t of {name}",
                    state=task.State.FAILED,
                    project_id=name,
                )
            )
            for name in ("pc", "pa", "", "pb")
        ]
        self.assertEqual(
            ["pb", "pa", "", "pc"],
            [each.project_id for each in compiled(told).projects],
        )


def _sort(each: report.Finished) -> tuple[task.Kind, task.State]:
    return each.work.kind, each.work.state
