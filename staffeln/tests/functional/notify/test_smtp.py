# SPDX-License-Identifier: Apache-2.0
"""Messages reach a real SMTP server, and what became of them is known."""

from __future__ import annotations

import dataclasses
import email.message
import email.utils
import itertools
import ssl
import threading
from typing import Any

import fixtures

from staffeln.domain import errors
from staffeln.notify.server import Security, Server
from staffeln.notify.smtp import MOST_RECEIVERS, REST, SmtpMailer
from staffeln.tests import base, certificates
from staffeln.tests.functional.notify import mailroom
from staffeln.tests.functional.notify.mailroom import RENDERED, Step, Way

TO = ("ann@demo.example",)
_CLEAR = {Way.NO, Way.LATER}
ID = "0c5a4f0e-7a0f-4a51-9d0c-3a7a1b6f2a10"


def plain(part: email.message.MIMEPart) -> str:
    """A part's text; mail ends lines in its own way."""
    return str(part.get_content()).replace("\r\n", "\n")


class MailCase(base.TestCase):
    """A server and certificates for it."""

    def setUp(self) -> None:
        super().setUp()
        # aiosmtpd warns of logins without TLS, which are tried on purpose.
        self.useFixture(fixtures.WarningsFilter([{"action": "ignore"}]))

    def server(self, **options: Any) -> mailroom.MailServer:
        return self.useFixture(mailroom.MailServer(**options))

    def authority(self) -> certificates.Authority:
        return certificates.Authority(self.make_temp_dir(), "authority")

    def context(self, authority: certificates.Authority) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*authority.sign("mail"))
        return context

    def refused(
        self, door: Server, to: tuple[str, ...] = TO
    ) -> errors.MailError:
        """The clear failure of a message."""
        error = self.assertRaises(
            errors.MailError, SmtpMailer(door).send, ID, to, RENDERED
        )
        self.assertNotIsInstance(error, errors.MailUncertainError)
        self.assertEqual(1, len(str(error).splitlines()))
        return error


class TestMessage(MailCase):
    """What arrives."""

    def test_all_of_it_arrives(self) -> None:
        server = self.server()
        sent = SmtpMailer(server.door()).send(ID, TO, RENDERED)
        self.assertEqual(TO, sent.accepted)
        self.assertEqual({}, sent.refused)
        (got,) = server.received
        self.assertEqual(mailroom.SENDER, got.sender)
        self.assertEqual(list(TO), got.to)
        message = got.message
        self.assertEqual(f"Staffeln <{mailroom.SENDER}>", message["From"])
        self.assertEqual(TO[0], message["To"])
        self.assertEqual(RENDERED.subject, message["Subject"])
        self.assertEqual(f"<{ID}@cloud.example>", message["Message-ID"])
        self.assertEqual("auto-generated", message["Auto-Submitted"])
        self.assertEqual("bulk", message["Precedence"])
        self.assertIsNotNone(email.utils.parsedate_tz(message["Date"]))
        text = message.get_body(("plain",))
        html = message.get_body(("html",))
        assert text is not None
        assert html is not None
        self.assertEqual(RENDERED.text, plain(text))
        self.assertEqual(RENDERED.html + "\n", plain(html))
        (attached,) = message.iter_attachments()
        self.assertEqual("backups.csv", attached.get_filename())
        self.assertEqual("text/csv", attached.get_content_type())
        self.assertEqual(
            RENDERED.attachments[0].content, attached.get_payload(decode=True)
        )

    def test_lines_are_short_and_in_ascii(self) -> None:
        server = self.server()
        long = dataclasses.replace(
            RENDERED, html="<td>böse</td>" * 10_000, text="x" * 100_000
        )
        SmtpMailer(server.door()).send(ID, TO, long)
        (got,) = server.received
        self.assertTrue(got.content.isascii())
        lines = got.content.split(b"\r\n")
        self.assertLess(max(map(len, lines)), 999)
        self.assertNotIn(b"\n", b"".join(lines))
        html = got.message.get_body(("html",))
        assert html is not None
        self.assertEqual(long.html + "\n", plain(html))

    def test_the_same_message_has_the_same_id(self) -> None:
        server = self.server()
        mailer = SmtpMailer(server.door())
        mailer.send(ID, TO, RENDERED)
        mailer.send(ID, TO, RENDERED)
        first, second = server.received
        self.assertEqual(
            first.message["Message-ID"], second.message["Message-ID"]
        )

    def test_several_receivers_are_not_told_of_each_other(self) -> None:
        server = self.server()
        to = ("ann@demo.example", "bob@demo.example")
        sent = SmtpMailer(server.door()).send(ID, to, RENDERED)
        self.assertEqual(to, sent.accepted)
        (got,) = server.received
        self.assertEqual(list(to), got.to)
        self.assertNotIn(b"ann", got.content)
        self.assertEqual("undisclosed-recipients:;", got.message["To"])

    def test_more_receivers_than_a_message_may_have(self) -> None:
        server = self.server()
        to = tuple(f"u{n}@demo.example" for n in range(MOST_RECEIVERS + 5))
        sent = SmtpMailer(server.door()).send(ID, to, RENDERED)
        self.assertEqual(to, sent.accepted)
        self.assertEqual(
            [MOST_RECEIVERS, 5], [len(got.to) for got in server.received]
        )

    def test_fewer_receivers_than_usual(self) -> None:
        server = self.server()
        server.most_receivers = 2
        server.refused["u3@demo.example"] = "452 4.2.2 mailbox full"
        to = tuple(f"u{n}@demo.example" for n in range(5))
        sent = SmtpMailer(server.door()).send(ID, to, RENDERED)
        self.assertEqual(set(to) - {to[3]}, set(sent.accepted))
        self.assertEqual({to[3]: "452 4.2.2 mailbox full"}, sent.refused)
        self.assertEqual(
            sorted(sent.accepted),
            sorted(each for got in server.received for each in got.to),
        )

    def test_nothing_gets_into_the_headers(self) -> None:
        server = self.server()
        evil = "x\r\nBcc: eve@evil.example\r\n\r\nbody\x00\u2028\u202e\ud800"
        what = dataclasses.replace(
            RENDERED,
            subject=evil * 20,
            text=evil,
            html=evil,
            attachments=(
                dataclasses.replace(
                    RENDERED.attachments[0], name=f'../{evil}".csv'
                ),
            ),
        )
        mailer = SmtpMailer(server.door())
        mailer.send(f"{ID}>\r\nBcc: eve", TO, what)
        (got,) = server.received
        self.assertEqual(list(TO), got.to)
        message = got.message
        self.assertNotIn("Bcc", message)
        self.assertEqual(sorted(set(message.keys())), sorted(message.keys()))
        self.assertLessEqual(len(message["Subject"]), 250)
        self.assertEqual(
            f"<{ID}-Bcc-eve@cloud.example>", message["Message-ID"]
        )
        (attached,) = message.iter_attachments()
        self.assertRegex(attached.get_filename() or "", r"\A\w[\w.-]*\Z")

    def test_an_address_is_no_second_one(self) -> None:
        server = self.server()
        to = (
            "ann@demo.example\r\nRCPT TO:<eve@evil.example>",
            "ann@demo.example>, <eve@evil.example",
            "Ann <ann@demo.example>",
            "ann",
            "",
        )
        error = self.refused(server.door(), to)
        self.assertIn("no local part", str(error))
        self.assertEqual([], server.received)
        sent = SmtpMailer(server.door()).send(ID, (*to, *TO), RENDERED)
        self.assertEqual(TO, sent.accepted)
        self.assertEqual(set(to), set(sent.refused))

    def test_nobody_is_no_receiver(self) -> None:
        self.refused(self.server().door(), ())


class TestLetters(MailCase):
    """Names and addresses beyond ASCII."""

    def test_a_domain_is_written_for_old_servers(self) -> None:
        server = self.server(utf8=False)
        door = server.door(sender="backup@bücher.example")
        sent = SmtpMailer(door).send(ID, ("ann@köln.example",), RENDERED)
        self.assertEqual(("ann@köln.example",), sent.accepted)
        (got,) = server.received
        self.assertEqual(["ann@xn--kln-sna.example"], got.to)
        self.assertEqual("backup@xn--bcher-kva.example", got.sender)
        self.assertTrue(got.content.isascii())

    def test_a_subject_in_any_letters(self) -> None:
        server = self.server(utf8=False)
        subject = "[staffeln] Projekt Bäckerei ☃ 🦄 备份: failed"
        what = dataclasses.replace(RENDERED, subject=subject)
        SmtpMailer(server.door()).send(ID, TO, what)
        self.assertEqual(subject, server.received[0].message["Subject"])

    def test_a_local_part_beyond_ascii_needs_a_new_server(self) -> None:
        to = ("jörg@demo.example", *TO)
        server = self.server()
        sent = SmtpMailer(server.door()).send(ID, to, RENDERED)
        self.assertEqual(set(to), set(sent.accepted))
        plain, international = server.received
        self.assertEqual(list(TO), plain.to)
        self.assertTrue(plain.content.isascii())
        self.assertEqual([to[0]], international.to)
        self.assertIn(f"To: {to[0]}\r\n".encode(), international.content)
        old = self.server(utf8=False)
        sent = SmtpMailer(old.door()).send(ID, to, RENDERED)
        self.assertEqual(TO, sent.accepted)
        self.assertIn("beyond ASCII", sent.refused[to[0]])
        self.refused(old.door(), to[:1])
        self.refused(old.door(sender="böse@cloud.example"))

    def test_a_sender_that_is_no_address(self) -> None:
        for sender in ("x", "a@b\r\nc", "a@" + "ü" * 100):
            self.assertRaises(
                errors.ConfigurationError,
                SmtpMailer,
                self.server().door(sender=sender),
            )


class TestSecurity(MailCase):
    """TLS and logins."""

    def test_starttls(self) -> None:
        authority = self.authority()
        server = self.server(starttls=self.context(authority), with_login=True)
        door = server.door(
            security=Security.STARTTLS,
            ca_file=str(authority.file),
            login=mailroom.LOGIN,
            password=mailroom.PASSWORD,
        )
        SmtpMailer(door).send(ID, TO, RENDERED)
        (got,) = server.received
        self.assertTrue(got.encrypted)
        self.assertEqual(mailroom.LOGIN.encode(), got.login)

    def test_tls_from_the_first_byte(self) -> None:
        authority = self.authority()
        server = self.server(implicit_tls=self.context(authority))
        door = server.door(security=Security.TLS, ca_file=str(authority.file))
        SmtpMailer(door).send(ID, TO, RENDERED)
        self.assertTrue(server.received[0].encrypted)

    def test_a_strange_certificate_gets_nothing(self) -> None:
        stranger = self.authority()
        context = self.context(stranger)
        cases = (
            (Security.STARTTLS, self.server(starttls=context)),
            (Security.TLS, self.server(implicit_tls=context)),
        )
        for security, server in cases:
            for ca_file in (None, str(self.authority().file)):
                door = server.door(security=security, ca_file=ca_file)
                error = self.refused(door)
                self.assertIn("certificate is not trusted", str(error))
            # Made for an address and not for this name.
            door = server.door(
                security=security,
                host="localhost",
                ca_file=str(stranger.file),
            )
            self.assertIn("not trusted", str(self.refused(door)))
            self.assertEqual([], server.received)

    def test_a_server_without_starttls_gets_nothing(self) -> None:
        server = self.server(with_login=True)
        door = server.door(
            security=Security.STARTTLS, password=mailroom.PASSWORD
        )
        self.assertIn("offers no STARTTLS", str(self.refused(door)))
        self.assertEqual([], server.received)

    def test_the_wrong_security_is_no_message(self) -> None:
        context = self.context(self.authority())
        server = self.server(implicit_tls=context)
        self.refused(server.door(security=Security.STARTTLS, timeout=0.5))
        plain = self.server()
        self.refused(plain.door(security=Security.TLS, timeout=5))

    def test_a_wrong_password_is_told_and_not_shown(self) -> None:
        server = self.server(with_login=True)
        for password in ("wrong-geheim", "geheim-mit-ü"):
            door = server.door(login=mailroom.LOGIN, password=password)
            error = self.refused(door)
            self.assertNotIn("geheim", str(error))
            self.assertNotIn("geheim", repr(door))
        self.assertNotIn("geheim", self.log.output)
        self.assertEqual([], server.received)

    def test_a_login_without_tls(self) -> None:
        server = self.server(with_login=True)
        door = server.door(login=mailroom.LOGIN, password=mailroom.PASSWORD)
        SmtpMailer(door).send(ID, TO, RENDERED)
        self.assertEqual(mailroom.LOGIN.encode(), server.received[0].login)

    def test_a_server_without_logins(self) -> None:
        server = self.useFixture(mailroom.FailingServer(Step.GREETING, None))
        door = dataclasses.replace(server.door(10), password="geheim")
        self.assertIn("AUTH", str(self.refused(door)))

    def test_a_file_without_authorities(self) -> None:
        empty = self.home / "empty.pem"
        empty.write_text("nothing\n")
        for path in (str(empty), "/nowhere/ca.pem"):
            door = self.server().door(ca_file=path)
            error = self.assertRaises(
                errors.ConfigurationError, SmtpMailer, door
            )
            self.assertIn(f"smtp_ca_file = '{path}'", str(error))


class TestRefusals(MailCase):
    """What a server does not take."""

    def test_some_receivers_are_refused(self) -> None:
        server = self.server()
        server.refused["bob@demo.example"] = "550 5.1.1 no such user"
        sent = SmtpMailer(server.door()).send(
            ID, ("bob@demo.example", *TO), RENDERED
        )
        self.assertEqual(TO, sent.accepted)
        self.assertEqual(
            {"bob@demo.example": "550 5.1.1 no such user"}, sent.refused
        )
        self.assertIn("no such user", self.log.output)
        self.assertEqual(list(TO), server.received[0].to)

    def test_all_receivers_are_refused(self) -> None:
        server = self.server()
        server.refused[TO[0]] = "451 4.7.1 greylisted, come again"
        self.assertIn("greylisted", str(self.refused(server.door())))
        server.refused.clear()
        SmtpMailer(server.door()).send(ID, TO, RENDERED)
        self.assertEqual(1, len(server.received))

    def test_the_message_is_refused(self) -> None:
        server = self.server()
        for verdict in ("554 5.7.1 spam", "451 4.3.0 disk full"):
            server.verdict = verdict
            self.assertIn(verdict[4:], str(self.refused(server.door())))

    def test_a_message_that_is_too_large_goes_without_files(self) -> None:
        server = self.server(largest=20_000)
        large = dataclasses.replace(
            RENDERED.attachments[0], content=b"x" * 20_000
        )
        what = dataclasses.replace(RENDERED, attachments=(large,))
        SmtpMailer(server.door()).send(ID, TO, what)
        (got,) = server.received
        self.assertEqual([], list(got.message.iter_attachments()))
        text = got.message.get_body(("plain",))
        assert text is not None
        self.assertIn("files are left out", text.get_content())
        too_large = dataclasses.replace(RENDERED, html="<p>x</p>\n" * 9_000)
        mailer = SmtpMailer(server.door())
        self.assertRaises(errors.MailError, mailer.send, ID, TO, too_large)

    def test_nobody_listens(self) -> None:
        server = mailroom.MailServer()
        with server:
            door = server.door()
        error = self.refused(door)
        self.assertIn(f"127.0.0.1:{door.port}", str(error))
        nowhere = dataclasses.replace(door, host="nowhere.invalid")
        self.assertIn("nowhere.invalid", str(self.refused(nowhere)))


class TestExactness(MailCase):
    """Only what fails after the end of a message is not known."""

    def failing(self, step: Step, way: Way) -> mailroom.FailingServer:
        return self.useFixture(mailroom.FailingServer(step, way))

    def send(
        self, server: mailroom.FailingServer, timeout: float
    ) -> errors.MailError:
        mailer = SmtpMailer(server.door(timeout))
        error = self.assertRaises(
            errors.MailError, mailer.send, ID, TO, RENDERED
        )
        self.assertEqual(1, len(str(error).splitlines()))
        return error

    def test_each_step_and_each_way(self) -> None:
        for step in Step:
            for way in Way:
                if step is Step.EHLO and way is Way.NO:
                    continue  # smtplib then says HELO, which is fine
                with self.subTest(step=step, way=way):
                    server = self.failing(step, way)
                    silent = way in {Way.SILENCE, Way.DRIP}
                    error = self.send(server, 0.2 if silent else 10)
                    certain = not isinstance(error, errors.MailUncertainError)
                    if step is Step.END:
                        self.assertEqual(1, server.whole_messages)
                        self.assertEqual(way in _CLEAR, certain, str(error))
                    elif step is Step.BODY:
                        # From here it may look as if all had been read.
                        self.assertEqual(0, server.whole_messages)
                    else:
                        self.assertTrue(certain, error)
                        self.assertEqual(0, server.whole_messages)

    def test_a_part_that_was_taken_counts(self) -> None:
        to = tuple(f"u{n}@demo.example" for n in range(MOST_RECEIVERS + 5))
        for way in Way:
            if way in {Way.SILENCE, Way.DRIP}:
                continue
            server = self.useFixture(
                mailroom.FailingServer(Step.END, way, good_messages=1)
            )
            sent = SmtpMailer(server.door(10)).send(ID, to, RENDERED)
            self.assertEqual(to[:MOST_RECEIVERS], sent.accepted)
            self.assertEqual(set(to[MOST_RECEIVERS:]), set(sent.refused))

    def test_drops_of_an_answer_are_none(self) -> None:
        error = self.send(self.failing(Step.RCPT, Way.DRIP), 0.2)
        self.assertIn("no answer within 0.2 s", str(error))

    def test_an_answer_without_end_is_not_read(self) -> None:
        for step in (Step.EHLO, Step.RCPT, Step.END):
            error = self.send(self.failing(step, Way.ENDLESS), 60)
            self.assertIn("its answer has no end", str(error))

    def test_a_line_without_end_is_not_read(self) -> None:
        server = self.useFixture(
            mailroom.FailingServer(
                Step.RCPT, Way.NONSENSE, nonsense=b"2" * 1_000_000
            )
        )
        self.assertIn("its answer has no end", str(self.send(server, 60)))

    def test_all_steps_together_have_an_end(self) -> None:
        server = self.useFixture(mailroom.FailingServer(Step.END, None))
        ticks = itertools.count(step=2)
        mailer = SmtpMailer(server.door(60), clock=lambda: next(ticks))
        to = tuple(f"u{n}@demo.example" for n in range(MOST_RECEIVERS))
        error = self.assertRaises(
            errors.MailError, mailer.send, ID, to, RENDERED
        )
        self.assertNotIsInstance(error, errors.MailUncertainError)
        self.assertIn("all steps took more than 600 s", str(error))
        self.assertEqual(0, server.whole_messages)

    def test_the_end_waits_for_no_server(self) -> None:
        for step in Step:
            with self.subTest(step=step):
                server = self.failing(step, Way.SILENCE)
                mailer = SmtpMailer(server.door(3600))
                failures: list[BaseException] = []
                sending = threading.Thread(
                    target=self._kept, args=(mailer, failures), daemon=True
                )
                sending.start()
                self.assertTrue(server.reached.wait(60))
                mailer.close()
                sending.join(60)
                (error,) = failures
                sent = step in {Step.BODY, Step.END}
                self.assertIsInstance(
                    error,
                    errors.MailUncertainError
                    if sent
                    else errors.MailStoppedError,
                )
                self.assertIn("this process stops", str(error))
                self.assertRaises(
                    errors.MailStoppedError, mailer.send, ID, TO, RENDERED
                )
                self.assertEqual(1, server.connections)

    def _kept(self, mailer: SmtpMailer, failures: list[BaseException]) -> None:
        try:
            mailer.send(ID, TO, RENDERED)
        except errors.MailError as error:
            failures.append(error)

    def test_a_server_that_hangs_is_left_alone_for_a_while(self) -> None:
        server = self.failing(Step.GREETING, Way.SILENCE)
        now = [1000.0]
        mailer = SmtpMailer(server.door(0.2), clock=lambda: now[0])
        failures = [
            self.assertRaises(errors.MailError, mailer.send, ID, TO, RENDERED)
            for _ in range(50)
        ]
        self.assertEqual(1, server.connections)
        self.assertEqual(
            [errors.MailError] + 49 * [errors.MailAwayError],
            [type(each) for each in failures],
        )
        now[0] += REST
        self.assertRaises(errors.MailError, mailer.send, ID, TO, RENDERED)
        self.assertEqual(2, server.connections)

    def test_one_message_that_fails_holds_no_other_up(self) -> None:
        server = self.failing(Step.END, Way.NO)
        mailer = SmtpMailer(server.door(10))
        for count in (1, 2):
            self.assertRaises(errors.MailError, mailer.send, ID, TO, RENDERED)
            self.assertEqual(count, server.whole_messages)
