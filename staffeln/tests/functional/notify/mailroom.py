# SPDX-License-Identifier: Apache-2.0
"""Mail servers on loopback: one that takes mail, and one that fails."""

from __future__ import annotations

import dataclasses
import email
import email.message
import email.policy
import enum
import re
import socket
import socketserver
import ssl
import threading
from typing import Any

import fixtures
from aiosmtpd import controller, smtp

from staffeln.domain import report
from staffeln.notify.server import Security, Server
from staffeln.tests.servers import process

SENDER = "backup@cloud.example"
LOGIN = "backup"
PASSWORD = "mail-geheim"

RENDERED = report.Rendered(
    subject="[staffeln] project demo: 1 of 2 backups failed",
    text="1 of 2 backups failed.\n.\n..dots\n",
    html="<p>1 of 2 backups <b>failed</b>: &lt;script&gt;</p>",
    attachments=(
        report.Attachment(
            name="backups.csv",
            media_type="text/csv",
            content=b"volume,state\r\nv\xc3\xb6l,failed\r\n",
        ),
    ),
)


@dataclasses.dataclass
class Received:
    """A message that was accepted."""

    sender: str
    to: list[str]
    content: bytes
    encrypted: bool
    login: bytes | None

    @property
    def message(self) -> email.message.EmailMessage:
        """It, taken apart."""
        found = email.message_from_bytes(
            self.content, policy=email.policy.default
        )
        assert isinstance(found, email.message.EmailMessage)
        return found


class MailServer(fixtures.Fixture):
    """An aiosmtpd. What is in ``refused`` it takes nothing for.

    :ivar verdict: what it says to whole messages.
    :ivar most_receivers: of one message.
    """

    def __init__(
        self,
        *,
        implicit_tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        with_login: bool = False,
        utf8: bool = True,
        largest: int | None = None,
        port: int | None = None,
    ) -> None:
        """:param port: where it listens; None: anywhere."""
        super().__init__()
        self.port = port or process.free_port()
        self.received: list[Received] = []
        self.refused: dict[str, str] = {}
        self.verdict = "250 taken"
        self.most_receivers = 1000
        self._implicit_tls = implicit_tls
        self._options: dict[str, Any] = {
            "tls_context": starttls,
            "require_starttls": starttls is not None,
            "enable_SMTPUTF8": utf8,
            "data_size_limit": largest,
            "auth_require_tls": starttls is not None,
        }
        if with_login:
            self._options |= {
                "authenticator": self._authenticate,
                "auth_required": True,
            }

    def _setUp(self) -> None:
        running = controller.Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            ssl_context=self._implicit_tls,
            **self._options,
        )
        running.start()
        self.addCleanup(running.stop)

    def door(self, **changes: Any) -> Server:
        """How it is talked to."""
        values: dict[str, Any] = {
            "sender": SENDER,
            "host": "127.0.0.1",
            "port": self.port,
            "security": Security.NONE,
            "timeout": 10,
        }
        return Server(**{**values, **changes})

    # -- what aiosmtpd calls -------------------------------------------------

    async def handle_RCPT(
        self,
        _server: Any,
        _session: Any,
        envelope: Any,
        address: str,
        _options: Any,
    ) -> str:
        """Take a receiver, or not."""
        if len(envelope.rcpt_tos) >= self.most_receivers:
            return "452 4.5.3 too many recipients"
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        """Take a message, or not."""
        if self.verdict.startswith("250"):
            data = session.auth_data
            self.received.append(
                Received(
                    sender=envelope.mail_from,
                    to=list(envelope.rcpt_tos),
                    content=envelope.original_content,
                    encrypted=server.transport.get_extra_info("cipher")
                    is not None,
                    login=data.login if data else None,
                )
            )
        return self.verdict

    def _authenticate(
        self, _server: Any, _session: Any, _envelope: Any, how: str, data: Any
    ) -> smtp.AuthResult:
        good = isinstance(data, smtp.LoginPassword) and data == (
            LOGIN.encode(),
            PASSWORD.encode(),
        )
        return smtp.AuthResult(
            success=good, handled=False, auth_data=data if good else None
        )


class Step(enum.Enum):
    """Where a failing server fails."""

    GREETING = "greeting"
    EHLO = "ehlo"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    END = "end"


class Way(enum.Enum):
    """How it does."""

    CLOSE = "it closes the connection"
    RESET = "it resets the connection"
    SILENCE = "it says nothing"
    NO = "it says no"
    LATER = "it says that it closes"
    NONSENSE = "it says what means nothing"
    HALF = "it says half a line and closes"
    DRIP = "it says a letter now and then"
    ENDLESS = "it never ends what it says"


class FailingServer(fixtures.Fixture):
    """Speaks SMTP until a step, where it fails; None: it does not."""

    def __init__(
        self,
        step: Step,
        way: Way | None,
        good_messages: int = 0,
        nonsense: bytes = b"what\r\n",
    ) -> None:
        """:param good_messages: so many go well first."""
        super().__init__()
        self.good_messages = good_messages
        self.nonsense = nonsense
        self.step = step
        self.way = way
        self.whole_messages = 0
        """How many it got the end of."""
        self.connections = 0
        self.release = threading.Event()
        self.reached = threading.Event()
        """It is where it fails."""

    def _setUp(self) -> None:
        handler = type("Handler", (_Failing,), {"owner": self})
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        self.port = int(server.server_address[1])
        thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.addCleanup(self.release.set)

    def door(self, timeout: float) -> Server:
        """How it is talked to."""
        return Server(
            sender=SENDER,
            host="127.0.0.1",
            port=self.port,
            security=Security.NONE,
            timeout=timeout,
        )


class _Over(Exception):
    """The conversation is."""


class _Failing(socketserver.StreamRequestHandler):
    owner: FailingServer

    def handle(self) -> None:
        """One connection."""
        self.owner.connections += 1
        try:
            self._talk()
        except (_Over, OSError):
            return

    def _talk(self) -> None:
        self._say(Step.GREETING, "220 here")
        for line in self.rfile:
            name = re.split(rb"[ \r]", line)[0].decode().upper()
            if name == "DATA":
                self._take()
            elif name == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            elif name in {"EHLO", "MAIL", "RCPT"}:
                self._say(Step[name], "250 fine")
            else:
                self.wfile.write(b"250 fine\r\n")

    def _take(self) -> None:
        self._say(Step.DATA, "354 go on")
        if self.owner.step is Step.DATA and self.owner.way:
            return
        if self.owner.step is Step.BODY and self.owner.way:
            self.rfile.read(100)
            self._fail()
        for line in self.rfile:
            if line == b".\r\n":
                self.owner.whole_messages += 1
                self._say(Step.END, "250 taken")
                return

    def _say(self, step: Step, words: str) -> None:
        good = self.owner.whole_messages <= self.owner.good_messages
        if step is Step.END and self.owner.good_messages and good:
            self.wfile.write(f"{words}\r\n".encode())
        elif step is self.owner.step and self.owner.way:
            self._fail()
        else:
            self.wfile.write(f"{words}\r\n".encode())

    def _fail(self) -> None:
        answers: dict[Way | None, bytes] = {
            Way.NO: b"554 5.7.1 no\r\n",
            Way.LATER: b"421 4.3.2 closing\r\n",
            Way.NONSENSE: self.owner.nonsense,
            Way.HALF: b"25",
        }
        way = self.owner.way
        self.owner.reached.set()
        self.wfile.write(answers.get(way, b""))
        while way is Way.DRIP and not self.owner.release.wait(0.02):
            self.wfile.write(b"2")
        while way is Way.ENDLESS and not self.owner.release.is_set():
            self.wfile.write(b"250-and\r\n" * 1000)
        if way is Way.SILENCE:
            self.owner.release.wait(60)
        if way in {Way.NO, Way.NONSENSE} and self.owner.step is not Step.BODY:
            return
        if way is Way.RESET:
            linger = (1).to_bytes(4, "little") + (0).to_bytes(4, "little")
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, linger
            )
        raise _Over
