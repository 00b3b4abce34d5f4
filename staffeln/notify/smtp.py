# SPDX-License-Identifier: Apache-2.0
"""Mail over SMTP: the adapter of :class:`staffeln.ports.Mailer`."""

from __future__ import annotations

import collections
import contextlib
import itertools
import logging
import smtplib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from staffeln import ports
from staffeln.domain import errors, report
from staffeln.notify import delivery, letter, wire
from staffeln.notify.server import PORTS, Security, Server

LOG = logging.getLogger(__name__)

MOST_RECEIVERS = 100
"""So many at once every server must take, by RFC 5321."""

REST = 60.0
"""Seconds for which a server that does not answer is left alone."""

_GOODBYE = 5.0
"""Seconds that a goodbye may take."""
_LATER = "452"
"""Said of receivers that are too many, or whose mailboxes are full."""


class SmtpMailer:
    """Sends each message over a connection of its own.

    :param clock: a monotonic clock, in seconds.
    :raises ConfigurationError: the sender or the file of authorities cannot
        be used.
    """

    def __init__(
        self, server: Server, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._server = server
        self._clock = clock
        self._context = server.context()
        try:
            self._sender = letter.to_ascii(server.sender)
        except errors.MailError as error:
            raise errors.ConfigurationError(
                f"[notification] sender_email: {error}"
            ) from None
        self._lock = threading.Lock()
        self._away: tuple[float, str] | None = None
        self._own_name: str | None = None
        self._plug = wire.Plug()

    def close(self) -> None:
        """Send no more, and cut off what is under way.

        A message whose answer was waited for is one of which nobody knows.
        """
        self._plug.pull()

    def send(
        self, message_id: str, to: tuple[str, ...], what: report.Rendered
    ) -> ports.Sent:
        """Send one message, in parts where there are many receivers.

        :raises MailError: it was surely accepted for nobody.
        :raises MailAwayError: the server failed a moment ago and was not
            asked.
        :raises MailStoppedError: this process is to end.
        :raises MailUncertainError: nobody knows: no answer came after all
            of it was sent.
        """
        refused: dict[str, str] = {}
        names = _coded(to, refused)
        if not names:
            raise errors.MailError(
                delivery.of_all(refused) or "there is no receiver"
            )
        accepted: list[str] = []
        uncertain: errors.MailUncertainError | None = None
        with self._connected() as client:
            link = delivery.Link(client, self._server, self._sender)
            parts = collections.deque(_parts(names))
            while parts:
                part = parts.popleft()
                answers: dict[str, str] = {}
                words = ""
                try:
                    link.deliver(part, message_id, what, answers)
                    accepted += [
                        names[each] for each in part if each not in answers
                    ]
                    # Each time it takes at least one, so this ends.
                    parts.extendleft(_too_many(answers))
                except errors.MailUncertainError as error:
                    uncertain, words = uncertain or error, str(error)
                except errors.MailError as error:
                    words = str(error)
                for each in part:
                    if words or each in answers:
                        refused[names[each]] = answers.get(each, words)
        for each in accepted:
            refused.pop(each, None)
        if accepted:
            _tell_of(refused, message_id)
            return ports.Sent(accepted=tuple(accepted), refused=refused)
        if uncertain is None and self._plug.is_pulled:
            raise errors.MailStoppedError(wire.STOPS)
        raise uncertain or errors.MailError(delivery.of_all(refused))

    def probe(self) -> str:
        """Go as far as the login, and leave; no message is begun.

        :returns: how far it went, in a few words.
        :raises MailError: the server would take no message.
        """
        known = self._server
        with self._connected() as client:
            secured = client.sock is not None and hasattr(
                client.sock, "cipher"
            )
        words = [known.where, "by TLS" if secured else "without TLS"]
        if known.password is not None:
            words.append(f"logged in as {known.login or known.sender}")
        return ", ".join(words)

    # -- the connection ------------------------------------------------------

    @contextlib.contextmanager
    def _connected(self) -> Iterator[wire.Client]:
        """A connection that is ready for messages."""
        if self._plug.is_pulled:
            raise errors.MailStoppedError(wire.STOPS)
        self._refuse_while_away()
        try:
            client = self._connect()
        except errors.MailError as error:
            if self._plug.is_pulled:
                raise errors.MailStoppedError(wire.STOPS) from None
            with self._lock:
                self._away = (self._clock(), str(error))
            raise
        with self._lock:
            self._away = None
        try:
            yield client
        finally:
            _leave(client)

    def _refuse_while_away(self) -> None:
        """A server that hangs must not hold each message up for long."""
        with self._lock:
            away = self._away
        if away and self._clock() - away[0] < REST:
            raise errors.MailAwayError(
                f"not tried again within {REST:g} s: {away[1]}"
            )

    def _connect(self) -> wire.Client:
        """Connect, secure the way, log in.

        :raises MailError: it was not possible; nothing was sent.
        """
        known = self._server
        with contextlib.ExitStack() as opened:
            try:
                client = self._greeted()
                opened.callback(client.close)
                if known.security is Security.STARTTLS:
                    self._secure(client)
                client.ehlo_or_helo_if_needed()
                if known.password is not None:
                    client.login(known.login or known.sender, known.password)
            except UnicodeError:
                words = "letters beyond ASCII cannot log in"
                raise errors.MailError(f"{known.where}: {words}") from None
            except (smtplib.SMTPException, OSError) as error:
                raise errors.MailError(
                    f"{known.where}: {known.why(error)}"
                ) from None
            opened.pop_all()
        return client

    def _greeted(self) -> wire.Client:
        known = self._server
        is_tls = known.security is Security.TLS
        client = wire.Client(
            known.host,
            known.port or PORTS[known.security],
            # It is asked of the name service, which may take its time, once.
            own_name=self._own_name,
            timeout=known.timeout,
            tls=self._context if is_tls else None,
            plug=self._plug,
            clock=self._clock,
        )
        self._own_name = client.local_hostname
        return client

    def _secure(self, client: wire.Client) -> None:
        known = self._server
        client.ehlo_or_helo_if_needed()
        if not client.has_extn("starttls"):
            raise errors.MailError(
                f"{known.where} offers no STARTTLS, and nothing is sent "
                "without it (smtp_security = starttls)"
            )
        code, words = client.starttls(context=self._context)
        if code != 220:
            raise known.says("STARTTLS is refused", code, words)


def _coded(to: Sequence[str], refused: dict[str, str]) -> dict[str, str]:
    """Addresses by how they are sent; those in ASCII first.

    :param refused: gets what is no address.
    """
    names: dict[str, str] = {}
    for address in to:
        try:
            names.setdefault(letter.to_ascii(address), address)
        except errors.MailError as error:
            refused[address] = str(error)
    return dict(sorted(names.items(), key=lambda each: not each[0].isascii()))


def _parts(addresses: Iterable[str]) -> Iterator[list[str]]:
    """As many as one message may have; those beyond ASCII apart."""
    for _, group in itertools.groupby(addresses, key=str.isascii):
        found = list(group)
        for first in range(0, len(found), MOST_RECEIVERS):
            yield found[first : first + MOST_RECEIVERS]


def _too_many(answers: Mapping[str, str]) -> list[list[str]]:
    """Receivers that were too many for one message: another one's."""
    found = [each for each, words in answers.items() if words[:3] == _LATER]
    return [found] if found else []


def _tell_of(refused: Mapping[str, str], message_id: str) -> None:
    for address, words in refused.items():
        LOG.warning(
            "Message %s was not accepted for %s: %s",
            message_id,
            letter.shown(address),
            words,
        )


def _leave(client: wire.Client) -> None:
    """What was answered stays answered, however the goodbye goes."""
    with contextlib.suppress(smtplib.SMTPException, OSError):
        if client.sock is not None:
            client.step = _GOODBYE
            client.begin()
            client.quit()
    client.close()
