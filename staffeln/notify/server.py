# SPDX-License-Identifier: Apache-2.0
"""Which mail server there is, and what it says, in one line each."""

from __future__ import annotations

import base64
import dataclasses
import enum
import smtplib
import ssl
from collections.abc import Iterator

from staffeln.domain import errors
from staffeln.notify import letter, wire

LONGEST_WORDS = 300
"""Characters of a server's own words that go into a line."""


class Security(enum.StrEnum):
    """How the way to the server is secured."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


PORTS = {Security.NONE: 25, Security.STARTTLS: 587, Security.TLS: 465}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Which server takes the mail, and how it is talked to."""

    sender: str
    host: str
    port: int | None = None
    """None: the usual one."""
    security: Security = Security.STARTTLS
    ca_file: str | None = None
    """None: the authorities of this host."""
    login: str | None = None
    """None: the sender."""
    password: str | None = dataclasses.field(default=None, repr=False)
    """None: nobody logs in."""
    timeout: float = 60
    """Seconds for each step."""

    @property
    def where(self) -> str:
        """It in words."""
        port = self.port or PORTS[self.security]
        return f"the mail server {self.host}:{port}"

    def context(self) -> ssl.SSLContext:
        """What its certificate is checked with.

        :raises ConfigurationError: the file of authorities cannot be used.
        """
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise errors.ConfigurationError(
                f"[notification] smtp_ca_file = {self.ca_file!r}: "
                f"{letter.one_line(reason)}"
            ) from None

    def says(self, what: str, code: int, words: bytes) -> errors.MailError:
        """The error that an answer amounts to."""
        return errors.MailError(
            f"{self.where}: {what}: {self.answer(code, words)}"
        )

    def answer(self, code: int, words: bytes) -> str:
        """Its own words in one line, without the password."""
        if code < 0:
            return "its answer is none of SMTP"
        text = letter.one_line(words.decode("utf-8", "replace"))
        for secret in self._secrets():
            text = text.replace(secret, "***")
        return f"{code} {text[:LONGEST_WORDS]}".strip()

    def why(self, error: Exception, timeout: float | None = None) -> str:
        """Why a step failed, in one line.

        :param timeout: seconds that the step might take; None: as usual.
        """
        if isinstance(error, smtplib.SMTPResponseException):
            said = error.smtp_error
            words = said if isinstance(said, bytes) else str(said).encode()
            refused = isinstance(error, smtplib.SMTPAuthenticationError)
            what = "the login is refused: " if refused else ""
            return what + self.answer(error.smtp_code, words)
        if isinstance(error, wire.CutOffError):
            return wire.STOPS
        cause = error.__context__ or error
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {error.verify_message}"
        if isinstance(error, TimeoutError) or isinstance(cause, TimeoutError):
            return f"no answer within {timeout or self.timeout:g} s"
        if isinstance(cause, OSError) and cause.strerror:
            return letter.one_line(cause.strerror)
        return letter.one_line(str(error))[:LONGEST_WORDS]

    def _secrets(self) -> Iterator[str]:
        """The password, as it is and as it goes over the wire."""
        if self.password:
            login = self.login or self.sender
            both = f"\0{login}\0{self.password}"
            for text in (both, self.password):
                yield base64.b64encode(text.encode()).decode().rstrip("=")
            yield self.password
