# SPDX-License-Identifier: Apache-2.0
"""Messages go through a real Postfix and lie in mailboxes."""

from __future__ import annotations

import dataclasses

from staffeln.domain import errors, report
from staffeln.notify.server import Security, Server
from staffeln.notify.smtp import SmtpMailer
from staffeln.tests import base, certificates
from staffeln.tests.functional.notify.mailroom import RENDERED, SENDER
from staffeln.tests.servers import postfix

ANN = f"ann@{postfix.DOMAIN}"
BOB = f"bob@{postfix.DOMAIN}"
NOBODY = f"nobody@{postfix.DOMAIN}"


class TestPostfix(base.TestCase):
    """One server for all of it: it takes some time to start."""

    def setUp(self) -> None:
        super().setUp()
        authority = certificates.Authority(self.make_temp_dir(), "authority")
        certificate, key = authority.sign("mail")
        self.postfix = postfix.Postfix(["ann", "bob"], certificate, key)
        self.addCleanup(self.postfix.stop)
        self.door = Server(
            sender=SENDER,
            host="127.0.0.1",
            port=self.postfix.port,
            security=Security.STARTTLS,
            ca_file=str(authority.file),
        )
        self.mailer = SmtpMailer(self.door)

    def test_reports_lie_in_mailboxes(self) -> None:
        sent = self.mailer.send("first", (ANN, NOBODY, BOB), RENDERED)
        self.assertEqual((ANN, BOB), sent.accepted)
        self.assertIn("550", sent.refused[NOBODY])
        self._see_all_of_it("first", RENDERED)

        refused = self.assertRaises(
            errors.MailError, self.mailer.send, "second", (NOBODY,), RENDERED
        )
        self.assertNotIsInstance(refused, errors.MailUncertainError)

        # Names in any letters, dots at the beginnings of lines, long lines.
        odd = dataclasses.replace(
            RENDERED,
            subject="[staffeln] project Bäckerei 🦄: 2 backups",
            text=".\r\n..\n.a\n" + "ä" * 5000 + "\n",
            html="<p>" + "ö." * 20_000 + "</p>",
        )
        self.mailer.send("third", (BOB,), odd)
        self._see_all_of_it("third", odd, "bob", 2)

        large = report.Attachment(
            name="all.csv", media_type="text/csv", content=b"," * 300_000
        )
        with_file = dataclasses.replace(RENDERED, attachments=(large,))
        self.mailer.send("fourth", (BOB,), with_file)
        self._see_all_of_it(
            "fourth", dataclasses.replace(RENDERED, attachments=()), "bob", 3
        )

        plain = dataclasses.replace(self.door, security=Security.NONE)
        error = self.assertRaises(
            errors.MailError, SmtpMailer(plain).send, "x", (ANN,), RENDERED
        )
        self.assertIn("STARTTLS", str(error))
        self.assertEqual(1, len(self.postfix.mailbox("ann", 1)))

    def _see_all_of_it(
        self,
        message_id: str,
        what: report.Rendered,
        user: str = "ann",
        count: int = 1,
    ) -> None:
        (got,) = (
            each
            for each in self.postfix.mailbox(user, count)
            if each["Message-ID"] == f"<{message_id}@cloud.example>"
        )
        self.assertEqual(what.subject, got["Subject"])
        for kind, content in (("plain", what.text), ("html", what.html)):
            part = got.get_body((kind,))
            assert part is not None
            text = str(part.get_content())
            self.assertTrue(
                text.splitlines()[: len(content.splitlines())]
                == content.splitlines(),
                kind,
            )
        self.assertEqual(
            [each.content for each in what.attachments],
            [each.get_payload(decode=True) for each in got.iter_attachments()],
        )
