# SPDX-License-Identifier: Apache-2.0
"""One message over one connection, and what surely became of it.

The end of the message is sent apart from the rest: what fails before it
reached nobody, and only what fails after it is not known.
"""

from __future__ import annotations

import contextlib
import logging
import re
import smtplib
from collections.abc import Mapping, Sequence

from staffeln.domain import errors, report
from staffeln.notify import letter, wire
from staffeln.notify.server import LONGEST_WORDS, Server

LOG = logging.getLogger(__name__)

_CLOSING = 421
_LINES = re.compile(rb"\r\n|\r|\n")


class Link:
    """One connection, and the sender of what goes over it."""

    def __init__(
        self, client: wire.Client, server: Server, sender: str
    ) -> None:
        self._client = client
        self._server = server
        self._sender = sender

    def deliver(
        self,
        to: Sequence[str],
        message_id: str,
        what: report.Rendered,
        refused: dict[str, str],
    ) -> None:
        """Hand one message over: it is accepted for all but the refused.

        :param refused: gets those that were refused, with the words.
        :raises MailError: it was accepted for nobody.
        :raises MailUncertainError: nobody knows.
        """
        if self._client.sock is None:
            raise errors.MailError(f"{self._server.where} is gone")
        utf8 = not all(each.isascii() for each in (self._sender, *to))
        if utf8 and not self._client.has_extn("smtputf8"):
            raise errors.MailError(
                f"{self._server.where} takes no addresses beyond ASCII"
            )
        body = self._written(to, message_id, what, utf8)
        patience = self._server.timeout * wire.STEPS
        self._client.begin()
        try:
            self._envelope(to, len(body), utf8, refused)
            self._command("data", 354)
            self._client.step = patience
            self._client.send(_quoted(body))
        except (smtplib.SMTPException, OSError) as error:
            self._client.close()
            why = self._server.why(error, self._client.step)
            raise errors.MailError(f"{self._server.where}: {why}") from None
        self._end(patience)
        self._client.step = self._server.timeout

    def _written(
        self,
        to: Sequence[str],
        message_id: str,
        what: report.Rendered,
        utf8: bool,
    ) -> bytes:
        """The message; without its files where it would be too large."""

        def write(with_files: bool) -> bytes:
            return letter.write(
                sender=self._sender,
                to=to,
                message_id=message_id,
                what=what,
                international=utf8,
                with_files=with_files,
            )

        try:
            body = write(True)
            largest = self._largest()
            if largest and len(body) > largest and what.attachments:
                LOG.warning(
                    "Message %s goes without its files: it has %d bytes, and "
                    "%s takes %d",
                    message_id,
                    len(body),
                    self._server.where,
                    largest,
                )
                body = write(False)
        except (LookupError, TypeError, ValueError) as error:
            words = letter.one_line(f"{type(error).__name__} {error}")
            raise errors.MailError(
                f"the message cannot be written: {words[:LONGEST_WORDS]}"
            ) from error
        return body

    def _largest(self) -> int:
        """Bytes that the server takes; 0: it does not say."""
        text = self._client.esmtp_features.get("size", "").strip()
        return int(text) if text.isdecimal() and len(text) < 19 else 0

    def _envelope(
        self,
        to: Sequence[str],
        size: int,
        utf8: bool,
        refused: dict[str, str],
    ) -> None:
        """Sender and receivers; at least one is accepted."""
        self._client.command_encoding = "utf-8" if utf8 else "ascii"
        options = [f"size={size}"] if self._client.has_extn("size") else []
        if utf8:
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        code, words = self._client.mail(self._sender, options)
        if code != 250:
            self._reset()
            raise self._server.says("the sender is refused", code, words)
        for address in to:
            code, words = self._client.rcpt(address)
            if code == _CLOSING:
                self._client.close()
                raise self._server.says("it closes", code, words)
            if code not in {250, 251}:
                refused[address] = self._server.answer(code, words)
        if len(refused) == len(to):
            self._reset()
            raise errors.MailError(of_all(refused))

    def _command(self, name: str, expected: int) -> None:
        code, words = self._client.docmd(name)
        if code != expected:
            self._reset()
            raise self._server.says(f"{name} is refused", code, words)

    def _reset(self) -> None:
        """Forget the message, for the next one."""
        with contextlib.suppress(smtplib.SMTPException, OSError):
            self._client.rset()

    def _end(self, patience: float) -> None:
        """Say that the message is whole, and hear what becomes of it.

        :param patience: seconds that the answer may take.
        :raises MailUncertainError: nothing clear is heard.
        """
        self._client.begin()
        try:
            self._client.send(b".\r\n")
            code, words = self._client.getreply()
        except (smtplib.SMTPException, OSError) as error:
            self._client.close()
            raise errors.MailUncertainError(
                f"{self._server.where} was sent the whole message and did "
                f"not say what it does: {self._server.why(error, patience)}"
            ) from None
        if 200 <= code < 300:
            return
        answer = self._server.answer(code, words)
        if 400 <= code < 600:
            raise errors.MailError(
                f"{self._server.where}: the message is refused: {answer}"
            )
        self._client.close()
        raise errors.MailUncertainError(
            f"{self._server.where} answers to the message what means nothing: "
            f"{answer}"
        )


def _quoted(body: bytes) -> bytes:
    """As it goes over the wire: whole lines, and none is the end.

    Lone line breaks would let some servers see the end where there is none.
    """
    if not body.endswith(b"\n"):
        body += b"\n"
    return _LINES.sub(b"\r\n", body).replace(b"\r\n.", b"\r\n..")


def of_all(refused: Mapping[str, str]) -> str:
    """The words for each receiver, in one line."""
    lines = [f"{letter.shown(x)}: {y}" for x, y in refused.items()]
    more = f" and {len(lines) - 5} more" if len(lines) > 5 else ""
    return "; ".join(lines[:5]) + more
