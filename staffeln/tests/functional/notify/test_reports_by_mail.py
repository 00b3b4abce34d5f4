# SPDX-License-Identifier: Apache-2.0
"""What ended reaches the right people once, over SMTP, and is purged."""

from __future__ import annotations

import csv
import io

import fixtures

from staffeln.domain import receivers, task
from staffeln.notify.smtp import REST, SmtpMailer
from staffeln.report import Pages
from staffeln.tests import base
from staffeln.tests.functional.notify import mailroom
from staffeln.tests.unit.workflow import world
from staffeln.workflow.press import Press

ANN, BOB, OPS = "ann@demo.example", "bob@shop.example", "ops@cloud.example"
NASTY = "<script>alert('x')</script> \"quoted\" 📦 \u202egnp"


class ReportsByMailTest(base.TestCase):
    """A small world with two projects and a real mail server."""

    def setUp(self) -> None:
        super().setUp()
        self.useFixture(fixtures.WarningsFilter([{"action": "ignore"}]))
        self.server = self.useFixture(mailroom.MailServer())
        self.ticks = 0.0
        self.world = world.World(
            press=Press(
                policy=receivers.Policy(
                    sender=mailroom.SENDER, operators=(OPS,)
                ),
                renderer=Pages(),
                mailer=SmtpMailer(self.server.door(), lambda: self.ticks),
            )
        )
        cloud = self.world.cloud
        for project, address in (("demo", ANN), ("shop", BOB)):
            cloud.add_project(project, name=project)
            cloud.assign(cloud.add_user(project, address), project)
        self.good = self.world.protect("demo", name=NASTY)
        self.bad = self.world.protect("demo", name="=cmd()")
        self.slow = self.world.protect("shop", name="slow")

    def let_a_day_pass(self) -> list[task.Task]:
        """One succeeds, one fails, one is never done; what ended."""
        made = self.world
        made.lead()
        made.work()
        ((ok, _),) = [(each.id, each) for each in made.made(self.good)]
        ((broken, _),) = [(each.id, each) for each in made.made(self.bad)]
        made.cloud.finish(ok)
        made.cloud.finish(
            broken, "error", "no space on cinder-7@ceph#pool in /var/lib"
        )
        made.pass_time(world.DAY + world.HOUR)
        made.work(2)
        ended = made.store.tasks(states=task.ENDED)
        self.assertEqual(
            {self.good, self.bad, self.slow},
            {each.volume_id for each in ended if each.attempt},
        )
        return ended

    def round(self) -> None:
        self.ticks += 2 * REST
        self.world.lead()
        self.world.processes["c1"].scheduler.report()

    def rows(self) -> dict[str, list[dict[str, str]]]:
        """By the receiver: the lines of the attached files."""
        found: dict[str, list[dict[str, str]]] = {}
        for got in self.server.received:
            for part in got.message.iter_attachments():
                content = part.get_payload(decode=True)
                assert isinstance(content, bytes)
                lines = csv.DictReader(
                    io.StringIO(content.decode("utf-8-sig"))
                )
                found.setdefault(", ".join(got.to), []).extend(
                    each for each in lines if each["kind"] != "notice"
                )
        return found

    def assert_told(self, ended: list[task.Task]) -> None:
        """Each of these once, to the members of its project alone."""
        rows = self.rows()
        for address, project in ((ANN, "demo"), (BOB, "shop")):
            self.assertEqual(
                sorted(
                    (each.kind, each.state, each.volume_id)
                    for each in ended
                    if each.project_id == project
                ),
                sorted(
                    (each["kind"], each["outcome"], each["volume_id"])
                    for each in rows[address]
                ),
            )
            self.assertEqual(
                {project}, {each["project_id"] for each in rows[address]}
            )

    def test_the_right_people_are_told_once(self) -> None:
        ended = self.let_a_day_pass()
        self.round()
        self.assert_told(ended)
        self.round()
        self.assert_told(ended)
        messages = {each.to[0]: each.message for each in self.server.received}
        self.assertIn("1 of 2 backups failed", messages[ANN]["Subject"])
        self.assertIn("1 of 1 backup failed", messages[BOB]["Subject"])
        body = messages[ANN].get_body(("html",))
        assert body
        page = str(body.get_content())
        self.assertIn("&lt;script&gt;", page)
        for hidden in ("<script>", "cinder-7", "/var/lib", "\u202e"):
            self.assertNotIn(hidden, page)
        self.assertEqual("'=cmd()", self.named("=cmd()"))
        self.assertIn(OPS, messages)

    def named(self, part: str) -> str:
        (found,) = {
            each["volume_name"]
            for each in self.rows()[ANN]
            if part in each["volume_name"]
        }
        return found

    def test_what_was_told_is_purged_once_cinder_is_done(self) -> None:
        ended = self.let_a_day_pass()
        self.round()
        there = {
            each.volume_id
            for each in ended
            if self.world.store.get_task(each.id) is not None
        }
        self.assertLessEqual(there, {self.slow})
        self.world.cloud.finish_all()
        self.world.work(2)
        self.round()
        for each in ended:
            self.assertIsNone(self.world.store.get_task(each.id))
        self.assert_told(ended)

    def test_while_the_server_is_away_all_wait(self) -> None:
        ended = self.let_a_day_pass()
        self.server.verdict = "451 4.3.0 later"
        for _ in range(3):
            self.round()
            self.assertEqual([], self.server.received)
            for each in ended:
                self.assertIsNotNone(self.world.store.get_task(each.id))
        self.server.verdict = "250 taken"
        self.round()
        self.assert_told(ended)

    def test_one_receiver_that_is_refused_holds_no_other_up(self) -> None:
        ended = self.let_a_day_pass()
        self.server.refused[ANN] = "550 5.1.1 no such user"
        self.round()
        self.assertEqual({BOB}, set(self.rows()))
        del self.server.refused[ANN]
        self.round()
        self.assert_told(ended)
