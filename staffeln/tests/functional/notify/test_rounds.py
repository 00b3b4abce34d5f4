# SPDX-License-Identifier: Apache-2.0
"""Rounds of reports, rendered and mailed: what people find in their boxes."""

from __future__ import annotations

import base64
import csv
import io
import threading
from collections.abc import Callable

from staffeln.domain import receivers, task
from staffeln.notify.smtp import SmtpMailer
from staffeln.report import Pages
from staffeln.tests.functional.notify import mailroom
from staffeln.tests.unit.workflow import reporting_case

PA, PB = "pa@example.org", "pb@example.org"
EVIL = '<script>alert("x")</script>\r\nBcc: eve@evil.example 🦄\u202e&amp;'


class TestRounds(reporting_case.ReportingCase):
    """The round and the mail are the real ones; the cloud is the fake."""

    def setUp(self) -> None:
        super().setUp()
        self.server = self.useFixture(mailroom.MailServer())
        self.scribe = Pages()  # type: ignore[assignment]
        self.mailer = SmtpMailer(self.server.door(), clock=self.seconds)
        self.take_office(mailer=self.mailer)

    def boxes(self) -> dict[str, list[list[str]]]:
        """Volumes that each message tells of, by receiver."""
        found: dict[str, list[list[str]]] = {}
        for got in self.server.received:
            (attached,) = got.message.iter_attachments()
            text = attached.get_payload(decode=True).decode("utf-8-sig")  # type: ignore[union-attr]
            rows = csv.DictReader(io.StringIO(text))
            volumes = sorted(row["volume_id"] for row in rows)
            for each in got.to:
                found.setdefault(each, []).append(volumes)
        return found

    def test_each_project_reads_of_its_own_tasks(self) -> None:
        self.end("a", reason="over quota")
        self.end("b", state=task.State.SUCCEEDED)
        self.end("c", project="pb", reason="timed out: still creating")
        self.round()
        self.assertEqual(
            {PA: [["volume of a", "volume of b"]], PB: [["volume of c"]]},
            self.boxes(),
        )
        by_receiver = {got.to[0]: got.message for got in self.server.received}
        self.assertEqual(
            "[staffeln] project name of pa: 1 of 2 backups failed",
            by_receiver[PA]["Subject"],
        )
        for kind in ("plain", "html"):
            part = by_receiver[PA].get_body((kind,))
            assert part is not None
            content = part.get_content()
            self.assertIn("over quota", content)
            self.assertNotIn("timed out", content)
        self.assertEqual([], self.left())
        self.pass_time()
        self.round()
        self.assertEqual(2, len(self.server.received))

    def test_one_message_for_all(self) -> None:
        self.policy = receivers.Policy(
            sender=mailroom.SENDER, receivers=("ops@cloud.example",)
        )
        self.take_office(mailer=self.mailer)
        self.end("a")
        self.end("c", project="pb")
        self.round()
        self.assertEqual(
            {"ops@cloud.example": [["volume of a", "volume of c"]]},
            self.boxes(),
        )

    def test_names_are_text_wherever_they_stand(self) -> None:
        self.cloud.change_project("pa", name=EVIL)
        self.end("a", volume_name=EVIL, server_name=EVIL, reason=EVIL)
        self.round()
        (got,) = self.server.received
        self.assertEqual([PA], got.to)
        message = got.message
        self.assertNotIn("Bcc", message)
        html = message.get_body(("html",))
        assert html is not None
        self.assertNotIn("<script", html.get_content())
        self.assertIn("&lt;script&gt;", html.get_content())

    def test_a_name_that_looks_encoded_is_no_header(self) -> None:
        harm = base64.b64encode(b"x\r\nBcc: eve@evil.example\r\n").decode()
        name = f"=?utf-8?b?{harm}?="
        self.cloud.change_project("pa", name=name)
        self.end("a")
        self.round()
        (got,) = self.server.received
        self.assertEqual([PA], got.to)
        self.assertNotIn("Bcc", got.message)
        head = got.content.partition(b"\r\n\r\n")[0]
        self.assertNotIn(b"eve@", head)
        self.assertIn(name, "".join(got.message["Subject"].split(" ")))

    def test_mail_that_is_cut_off_is_the_next_scheduler_s(self) -> None:
        for step in (mailroom.Step.RCPT, mailroom.Step.END):
            silent = self.useFixture(
                mailroom.FailingServer(step, mailroom.Way.SILENCE)
            )
            mailer = SmtpMailer(silent.door(3600), clock=self.seconds)
            self.take_office(mailer=mailer)
            self.end(step.value)
            self.when(silent.reached, mailer.close)
            self.round()
            self.assertEqual([step.value], self.left())
            unknown = step is mailroom.Step.END
            self.assertEqual(unknown, "ERROR" in self.log.output)
            self.assertEqual(unknown, bool(self.store.reports_not_done()))
            self.assertIn("this process stops", self.log.output)
            self.take_office(mailer=self.mailer)
            self.pass_time()
            self.round()
            self.assertEqual([], self.left())
        self.assertEqual(2, len(self.server.received))

    def when(
        self, happened: threading.Event, then: Callable[[], None]
    ) -> None:
        """Do something in another thread."""

        def run() -> None:
            if happened.wait(60):
                then()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.addCleanup(thread.join)

    def test_a_server_that_is_down_gets_it_later(self) -> None:
        away = mailroom.MailServer()
        with away:
            door = away.door()
        self.take_office(mailer=SmtpMailer(door, clock=self.seconds))
        self.end("a")
        self.round()
        self.assertEqual(["a"], self.left())
        self.pass_time()
        self.end("later", age=reporting_case.SECOND)
        self.take_office(mailer=self.mailer)
        self.round()
        self.assertEqual(
            {PA: [["volume of a", "volume of later"]]}, self.boxes()
        )
        self.assertEqual([], self.left())

    def test_without_an_answer_the_same_message_comes_again(self) -> None:
        silent = self.useFixture(
            mailroom.FailingServer(mailroom.Step.END, mailroom.Way.CLOSE)
        )
        self.take_office(
            mailer=SmtpMailer(silent.door(10), clock=self.seconds)
        )
        self.end("a")
        self.round()
        self.assertEqual(1, silent.whole_messages)
        self.assertEqual(["a"], self.left())
        (known,) = self.store.reports_not_done()
        self.end("later")
        self.take_office(mailer=self.mailer)
        self.round()
        ids = {
            got.message["Message-ID"]: got.to for got in self.server.received
        }
        self.assertIn(f"<{known.id}@cloud.example>", ids)
        self.assertEqual([], self.left())
        self.assertEqual(
            [["volume of a"], ["volume of later"]],
            sorted(self.boxes()[PA]),
        )

    def test_a_refused_member_holds_no_other_up(self) -> None:
        self.server.refused[PA] = "550 5.1.1 no such user"
        self.end("a")
        self.end("c", project="pb")
        self.round()
        self.assertEqual({PB: [["volume of c"]]}, self.boxes())
        self.assertEqual(["a"], self.left())
        self.server.refused.clear()
        self.round()
        self.assertEqual(["volume of a"], self.boxes()[PA][0])
