# SPDX-License-Identifier: Apache-2.0
"""From the options to who is told and by which way."""

import datetime

from oslo_config import cfg

from staffeln import conf, wiring
from staffeln.domain import errors, receivers, report
from staffeln.notify.files import ReportFolder
from staffeln.tests import base
from staffeln.tests.functional.notify import mailroom

RENDERED = report.Rendered(subject="s", text="t", html="<p>h</p>")


class MailWiringTest(base.TestCase):
    """Options become objects."""

    def read(self, text: str = "") -> cfg.ConfigOpts:
        path = self.home / "staffeln.conf"
        path.write_text(text)
        return conf.load(["--config-file", str(path)], prog="test")

    def test_nothing_is_set(self) -> None:
        read = self.read()
        self.assertEqual(receivers.Policy(), wiring.receivers_policy(read))
        self.assertIsNone(wiring.mailer(read))
        self.assertIsNone(wiring.shelf(read))

    def test_each_option_of_readers_arrives(self) -> None:
        read = self.read(
            "[conductor]\nreport_period = 7\n"
            "[notification]\n"
            "sender_email = a@cloud.example\n"
            "smtp_server_domain = mail.example\n"
            "receiver = b@c.example, ,d@e.example,\n"
            "project_receiver_domain = projects.example\n"
            "operator_receiver = ops@cloud.example\n"
            "report_roles = reader, owner\n"
        )
        self.assertEqual(
            receivers.Policy(
                sender="a@cloud.example",
                receivers=("b@c.example", "d@e.example"),
                project_domain="projects.example",
                operators=("ops@cloud.example",),
                roles=("reader", "owner"),
                period=datetime.timedelta(seconds=7),
            ),
            wiring.receivers_policy(read),
        )

    def test_mail_goes_where_the_options_say(self) -> None:
        server = self.useFixture(mailroom.MailServer(with_login=True))
        mailer = wiring.mailer(
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
            errors.ConfigurationError, wiring.mailer, read
        )
        self.assertIn("smtp_ca_file = '/nowhere/ca.pem'", str(error))

    def test_a_password_without_tls_is_warned_of(self) -> None:
        for security in ("none", "starttls"):
            wiring._check_mail(
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
        shelf = wiring.shelf(read)
        self.assertIsInstance(shelf, ReportFolder)
