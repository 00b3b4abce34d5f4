# SPDX-License-Identifier: Apache-2.0
"""From the options to the ways by which people are told."""

from staffeln.domain import errors, report
from staffeln.notify.files import ReportFolder
from staffeln.tests.functional.notify import mailroom
from staffeln.tests.unit.wiring import configured
from staffeln.wiring import press

RENDERED = report.Rendered(subject="s", text="t", html="<p>h</p>")


class PressTest(configured.ConfiguredTestCase):
    def test_nothing_is_set(self) -> None:
        read = self.read()
        self.assertIsNone(press.mailer(read))
        self.assertIsNone(press.shelf(read))

    def test_mail_goes_where_the_options_say(self) -> None:
        server = self.useFixture(mailroom.MailServer(with_login=True))
        mailer = press.mailer(
            self.read(
                "[notification]\n"
                "sender_email = a@cloud.example\n"
                "smtp_server_domain = 127.0.0.1\n"
                f"smtp_server_port = {server.port}\n"
                "smtp_security = none\n"
                f"smtp_login = {mailroom.LOGIN}\n"
                f"sender_pwd = {mailroom.PASSWORD}\n"
                "smtp_timeout = 10\n"
            )
        )
        assert mailer is not None
        mailer.send("id", ("b@c.example",), RENDERED)
        (got,) = server.received
        self.assertEqual("a@cloud.example", got.sender)
        self.assertEqual(mailroom.LOGIN.encode(), got.login)

    def test_authorities_are_looked_at_first(self) -> None:
        read = self.read(
            "[notification]\n"
            "sender_email = a@cloud.example\n"
            "smtp_server_domain = mail.example\n"
            "smtp_ca_file = /nowhere/ca.pem\n"
        )
        error = self.assertRaises(
            errors.ConfigurationError, press.mailer, read
        )
        self.assertIn("smtp_ca_file = '/nowhere/ca.pem'", str(error))

    def test_a_password_without_tls_is_warned_of(self) -> None:
        for security in ("none", "starttls"):
            press.check_mail(
                self.read(
                    "[notification]\n"
                    "sender_email = a@cloud.example\n"
                    "smtp_server_domain = mail.example\n"
                    "sender_pwd = geheim\n"
                    f"smtp_security = {security}\n"
                )
            )
        self.assertEqual(1, self.log.output.count("WARNING"))
        self.assertIn("the password goes over the network", self.log.output)
        self.assertNotIn("geheim", self.log.output)

    def test_copies_go_into_the_folder(self) -> None:
        read = self.read(f"[notification]\nreport_dir = {self.home}\n")
        shelf = press.shelf(read)
        self.assertIsInstance(shelf, ReportFolder)
