# SPDX-License-Identifier: Apache-2.0
import datetime

from staffeln.domain import report, task
from staffeln.tests import base
from staffeln.tests.unit.report import samples


class QuotaTest(base.TestCase):
    def test_what_is_reserved_counts(self) -> None:
        quota = report.Quota(limit=10, in_use=4, reserved=1)
        self.assertEqual(5, quota.taken)
        self.assertEqual(0.5, quota.rate)

    def test_no_limit_and_nothing_allowed_have_no_rate(self) -> None:
        for limit in (report.UNLIMITED, 0):
            quota = report.Quota(limit=limit, in_use=4, reserved=1)
            self.assertIsNone(quota.rate)


class TotalsTest(base.TestCase):
    def test_each_task_counts_once(self) -> None:
        self.assertEqual(
            report.Totals(
                failed=2,
                succeeded=12,
                cancelled=2,
                removed=7,
                not_removed=1,
                gigabytes=sum(10 + each for each in range(10, 22)),
            ),
            samples.project().totals,
        )

    def test_a_report_is_the_sum_of_its_projects(self) -> None:
        one, two = samples.project(), samples.project(failed=())
        self.assertEqual(
            one.totals + two.totals, samples.whole(one, two).totals
        )
        self.assertEqual(26, (one.totals + two.totals).ended)

    def test_nothing_is_nothing(self) -> None:
        nothing = samples.whole(projects=())
        self.assertEqual(report.Totals(), nothing.totals)


class FinishedTest(base.TestCase):
    def test_what_cinder_made_counts_not_what_was_asked(self) -> None:
        each = samples.finished(3, mode=task.Mode.INCREMENTAL)
        self.assertEqual(task.Mode.FULL, each.mode)

    def test_without_an_answer_it_is_what_was_asked(self) -> None:
        each = samples.failed(3, "no", mode=task.Mode.INCREMENTAL)
        self.assertEqual(task.Mode.INCREMENTAL, each.mode)

    def test_its_time_is_the_backups(self) -> None:
        each = samples.finished(3)
        self.assertEqual(each.made_at, each.at)
        self.assertEqual(datetime.timedelta(minutes=5), each.took)

    def test_a_task_that_was_never_attempted(self) -> None:
        each = samples.failed(3, "no", attempted_at=None, attempt=0)
        self.assertEqual(each.work.finished_at, each.at)
        self.assertIsNone(each.took)
