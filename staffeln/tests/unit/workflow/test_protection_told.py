# SPDX-License-Identifier: Apache-2.0
"""What cycles find reaches the people: members, and operators."""

from __future__ import annotations

from staffeln.domain import receivers, report
from staffeln.report import Pages
from staffeln.tests.fakes import post
from staffeln.tests.unit.workflow import world
from staffeln.tests.unit.workflow.world import DAY, HOUR, MINUTE
from staffeln.workflow import cycle
from staffeln.workflow.press import Press

OPERATORS = ("ops@example.org",)


class ToldTest(world.WorldTest):
    """Project ``p`` has a member, room for one backup, and news."""

    def setUp(self) -> None:
        super().setUp()
        self.world = self.new_world(backup_min_interval=DAY, backup_workers=50)
        cloud = self.world.cloud
        cloud.change_project("p", name="demo", max_backups=2)
        cloud.assign(cloud.add_user("ann", "ann@example.org"), "p")
        self.post = post.PostOffice()
        self.scheduler = cycle.Scheduler(
            self.world.store,
            cloud,
            self.world.settings,
            "c1",
            held=lambda: True,
            host_time=self.world.clock,
            press=Press(
                policy=receivers.Policy(
                    sender="staffeln@example.org",
                    operators=OPERATORS,
                    period=DAY,
                ),
                renderer=Pages(),
                mailer=self.post,
            ),
        )
        self.scheduler.take_office()
        self.world.processes["c1"].scheduler = self.scheduler

    def cycle(self, *, passes: int = 1) -> None:
        """A cycle, all that it begins, and the round of reports."""
        self.world.pass_time((passes - 1) * HOUR)
        self.world.backup_cycle()
        self.world.pass_time(HOUR)
        self.scheduler.report()

    def told(self, to: str) -> report.Rendered:
        """The newest message to somebody."""
        return next(
            letter.what
            for letter in reversed(self.post.arrived)
            if letter.to == (to,)
        )

    def test_members_and_operators_hear_of_it(self) -> None:
        late = self.world.protect(status="attaching")
        self.cycle()
        # When the others' report is due it has waited for over a day.
        self.world.pass_time(MINUTE)
        good = self.world.protect(size=5)
        dropped = self.world.protect()
        self.cycle()
        for server in list(self.world.cloud.servers.values()):
            if dropped in server.volume_ids:
                self.world.cloud.change_server(server.id, metadata={})
        for passes in (1, 22, 1):
            self.cycle(passes=passes)
        told = self.told("ann@example.org")
        self.assertEqual(
            "[staffeln] project demo: 2 backups succeeded, 1 volume "
            "unprotected",
            told.subject,
        )
        for words in (
            f"({late})",
            "never backed up; postponed",
            f"({dropped})",
            "does not carry __staffeln_backup=true any more",
            "2 backups and 6 GiB more do not fit.",
            "Too many: 2 backups where 0 of 2 are free.",
        ):
            self.assertIn(words, told.text)
            self.assertIn(words.strip("()"), told.html)
        self.assertIn(good, told.text)
        summed = self.told(OPERATORS[0])
        self.assertIn("1 volume unprotected", summed.subject)
        self.assertIn("never protected: 1", summed.text)
        self.assertIn("not selected any more: 1", summed.text)

    def test_nothing_ended_for_a_whole_period(self) -> None:
        """No report is due, and that is the news."""
        self.world.protect(status="attaching")
        for _ in range(25):
            self.cycle()
        (letter,) = self.post.arrived
        self.assertEqual(OPERATORS, letter.to)
        self.assertIn("1 volume unprotected", letter.what.subject)
        self.assertIn("1 never protected", letter.what.text)
