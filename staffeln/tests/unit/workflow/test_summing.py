# SPDX-License-Identifier: Apache-2.0
"""When operators get their summary, and what it counts."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln import ports
from staffeln.domain import errors, model, report, task
from staffeln.report import Pages
from staffeln.tests import base
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, HOUR, MICROSECOND, NOW
from staffeln.workflow import protecting, summing

OPERATORS = ("ops@example.com",)


class Post:
    """A mailer that keeps what it is given."""

    def __init__(self) -> None:
        self.sent: list[report.Rendered] = []
        self.error: errors.MailError | None = None

    def send(
        self, message_id: str, to: tuple[str, ...], what: report.Rendered
    ) -> ports.Sent:
        if self.error is not None:
            raise self.error
        self.sent.append(what)
        return ports.Sent(accepted=to, refused={})

    def close(self) -> None:
        """Nothing is under way."""


def told(failures: int = 1) -> report.Report:
    """A report of one project."""
    failed = report.Finished(
        work=samples.backup_task(state=task.State.FAILED, reason="no space")
    )
    return report.Report(
        id="r1",
        created_at=NOW,
        since=NOW - DAY,
        projects=(
            report.ProjectReport(
                project_id="p1",
                project_name="demo",
                quotas=None,
                failed=(failed,) * failures,
            ),
        ),
    )


class SummingTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.post = Post()
        self.summing = summing.Summing(Pages(), self.post, OPERATORS, DAY)
        self.cycle = model.Cycle(
            ended_at=NOW,
            seconds=1.0,
            term=1,
            complete=True,
            selected=1,
            dropped=0,
            never_protected=0,
            stale=0,
            oldest_protection_at=None,
        )
        self.hands: tuple[str, ...] = ()
        self.asked = 0

    def concerns(self) -> protecting.Concerns:
        self.asked += 1
        return protecting.Concerns(
            cycle=self.cycle,
            notices={},
            demands={},
            brakes=(),
            hands=self.hands,
        )

    def end(self, after: datetime.timedelta) -> int:
        """End a round so long after the first; how many were sent by then."""
        self.summing.end(NOW + after, self.concerns)
        return len(self.post.sent)

    def test_with_the_first_report(self) -> None:
        self.summing.delivered(told(3))
        self.assertEqual(1, self.end(HOUR))
        (sent,) = self.post.sent
        self.assertEqual(
            "[staffeln] summary: 3 of 3 backups failed", sent.subject
        )
        self.assertIn("3 backups of 1 project: no space", sent.text)
        self.assertIn("no space", self.log.output)
        self.assertIn(OPERATORS[0], self.log.output)

    def test_once_in_a_period_and_of_all_that_was_told_in_it(self) -> None:
        self.summing.delivered(told())
        self.end(HOUR)
        for hours in (2, 5, 24):
            self.summing.delivered(told())
            self.assertEqual(1, self.end(hours * HOUR))
        self.assertEqual(2, self.end(DAY + HOUR))
        self.assertIn("3 of 3 backups", self.post.sent[-1].subject)
        self.assertEqual(2, self.asked)

    def test_nothing_was_told_for_a_whole_period(self) -> None:
        self.cycle = dataclasses.replace(self.cycle, never_protected=2)
        self.assertEqual(0, self.end(0 * DAY))
        self.assertEqual(0, self.end(DAY - MICROSECOND))
        self.assertEqual(1, self.end(DAY))
        self.assertIn("2 volumes unprotected", self.post.sent[0].subject)

    def test_nothing_to_say(self) -> None:
        self.end(0 * DAY)
        self.assertEqual(0, self.end(2 * DAY))
        self.assertEqual("", self.log.output)
        self.end(3 * DAY - MICROSECOND)
        self.assertEqual(1, self.asked)
        self.summing.delivered(told())
        self.assertEqual(1, self.end(3 * DAY - MICROSECOND))

    def test_what_needs_hands(self) -> None:
        self.hands = ("no cinder-backup service is up: all backups wait",)
        self.end(0 * DAY)
        self.summing.failed()
        self.summing.failed()
        self.assertEqual(1, self.end(DAY))
        text = self.post.sent[0].text
        self.assertIn("no cinder-backup service is up", text)
        self.assertIn("reports were not delivered 2 time(s)", text)
        # And it begins anew.
        self.end(2 * DAY)
        self.assertNotIn("not delivered", self.post.sent[1].text)

    def test_mail_that_fails_is_in_the_log(self) -> None:
        self.post.error = errors.MailError("refused")
        self.summing.delivered(told())
        self.end(HOUR)
        self.assertIn(
            "was not sent, and is in the log: refused", self.log.output
        )
        self.assertIn("no space", self.log.output)
        self.post.error = None
        self.assertEqual(0, self.end(2 * HOUR))

    def test_nobody_to_write_to(self) -> None:
        for mailer, operators in ((None, OPERATORS), (self.post, ())):
            asked = summing.Summing(Pages(), mailer, operators, DAY)
            asked.delivered(told())
            asked.end(NOW, self.concerns)
        self.assertEqual([], self.post.sent)
        self.assertEqual(2, self.log.output.count("[staffeln] summary"))
