# SPDX-License-Identifier: Apache-2.0
"""Who is told, and by which way: wrong values are refused at the start."""

from staffeln.tests.unit.conf import files

GROUP = "[notification]\n"
SENDER = "sender_email = backup@cloud.example\n"
SERVER = "smtp_server_domain = mail.cloud.example\n"


class NotificationTest(files.ConfTestCase):
    def test_nothing_need_be_set(self) -> None:
        found = self.read("").notification
        self.assertIsNone(found.sender_email)
        self.assertEqual([], found.receiver)
        self.assertEqual(["member"], found.report_roles)
        self.assertEqual("starttls", found.smtp_security)
        self.assertEqual(86_400, self.read("").conductor.report_period)

    def test_what_is_empty_is_unset(self) -> None:
        names = (
            "sender_email",
            "project_receiver_domain",
            "smtp_server_domain",
            "smtp_server_port",
        )
        text = "".join(f"{name} =\n" for name in names)
        found = self.read(GROUP + text).notification
        for name in names:
            self.assertIsNone(found[name], name)

    def test_a_sender_needs_a_server(self) -> None:
        words = self.refused(GROUP + SENDER)
        self.assertEqual(
            "[notification] smtp_server_domain: must be set with sender_email",
            words,
        )
        self.read(GROUP + SENDER + SERVER)

    def test_what_is_no_address(self) -> None:
        for name in ("sender_email", "receiver", "operator_receiver"):
            for text in ("x", "A <a@b.example>", "a@b.example;c@d.example"):
                words = self.refused(f"{GROUP}{SERVER}{name} = {text}\n")
                self.assertIn(f"[notification] {name} = {text!r}", words)
                self.assertIn("not an e-mail address", words)
        words = self.refused(f"{GROUP}receiver = a@b.example, c\n")
        self.assertIn("there is no @", words)

    def test_what_is_no_host_domain_or_port(self) -> None:
        for text in (
            "smtp_server_domain = a b",
            "smtp_server_domain = http://mail",
            "project_receiver_domain = @example.com",
            "project_receiver_domain = a b",
            "smtp_server_port = 0",
            "smtp_server_port = 65536",
            "smtp_security = ssl",
            "smtp_timeout = 0",
            "smtp_timeout = nan",
        ):
            words = self.refused(GROUP + text)
            self.assertIn(f"[notification] {text.partition(' ')[0]}", words)

    def test_letters_that_cannot_log_in(self) -> None:
        words = self.refused(f"{GROUP}{SENDER}{SERVER}sender_pwd = gehäim\n")
        self.assertIn("[notification] sender_pwd: ", words)
        self.assertNotIn("geh", words)
        login = "sender_pwd = x\nsmtp_login = jörg\n"
        self.assertIn(
            "smtp_login", self.refused(GROUP + SENDER + SERVER + login)
        )

    def test_paths_are_absolute(self) -> None:
        for name in ("report_dir", "smtp_ca_file"):
            words = self.refused(f"{GROUP}{name} = reports\n")
            self.assertIn(f"[notification] {name} = 'reports'", words)
            self.read(f"{GROUP}{name} = /var/reports\n")

    def test_a_dollar_in_a_secret_shows_nothing_of_it(self) -> None:
        for name in ("sender_pwd", "heartbeat_url"):
            for text in ("a${geheim}b", "$geheim", "a$geheim.b"):
                words = self.refused(f"{GROUP}{name} = {text}\n")
                self.assertIn(f"[notification] {name}: a $ in it", words)
                self.assertIn("$$", words)
                self.assertNotIn("geheim", words)

    def test_a_heartbeat_is_http_and_stays_unseen(self) -> None:
        for url in (
            "ftp://ping.example/geheim",
            "https:///geheim",
            "https://ping.example:0/geheim",
            "https://ping.example:99999/geheim",
            "https://[/geheim",
            "https://ping.example/geheim und mehr",
            "https://ping.example/geheim-\u00fc",
            "https://pi\u00f1g.example/geheim",
            "geheim",
        ):
            words = self.refused(f"{GROUP}heartbeat_url = {url}\n")
            self.assertIn("[notification] heartbeat_url: ", words)
            self.assertNotIn("geheim", words)
        for url in ("http://127.0.0.1:8000/x", "HTTPS://ping.example/a?b=c"):
            self.read(f"{GROUP}heartbeat_url = {url}\n")
