# SPDX-License-Identifier: Apache-2.0
"""A rendered report as a message of mail.

Nothing that users name ends a header or begins one. The library reads each
header that it is given and decodes what looks encoded, line breaks too: so
those with words of others are written here, and read again before they go.
"""

from __future__ import annotations

import contextlib
import datetime
import email.header
import email.message
import email.policy
import email.utils
import re
from collections.abc import Sequence

import idna

from staffeln.domain import errors, receivers, report

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9._-]+")
_NOT_IN_FILES = re.compile(r"[^\w.-]+")
_LONGEST_SUBJECT = 250
_LONGEST_ID = 100
_NAME = "Staffeln"
_UNDISCLOSED = "undisclosed-recipients"

WITHOUT_FILES = (
    "\n\nThe attached files are left out: the mail server takes no message "
    "that is so large.\n"
)


def to_ascii(address: str) -> str:
    """An address with its domain as the mail servers of old read it.

    :raises MailError: it is no address.
    """
    fault = receivers.fault(address)
    if fault:
        raise errors.MailError(f"{shown(address)} is no address: {fault}")
    local, _, domain = address.rpartition("@")
    if domain.isascii():
        return address
    try:
        coded = idna.encode(domain, uts46=True).decode("ascii")
    except UnicodeError as error:
        words = f"{shown(address)} is no address: {one_line(str(error))}"
        raise errors.MailError(words) from None
    return f"{local}@{coded}"


def shown(address: str) -> str:
    """An address that may be anything, fit for a line of the log."""
    return repr(one_line(address)[:100])


def one_line(text: str) -> str:
    """A text without line breaks and what a terminal would obey."""
    line = "".join(x if x.isprintable() else " " for x in text)
    return " ".join(line.split())


def write(
    *,
    sender: str,
    to: Sequence[str],
    message_id: str,
    what: report.Rendered,
    international: bool,
    with_files: bool = True,
) -> bytes:
    """The message as it goes over the wire, with CRLF.

    Several receivers are not told of each other.

    :param sender: in ASCII unless international, as the receivers.
    :param message_id: becomes the part before the @ of the Message-ID.
    :param international: the server takes headers in UTF-8.
    :raises MailError: an address would be read as something else.
    """
    domain = sender.rpartition("@")[2]
    head = {
        "From": f"{_NAME} <{sender}>",
        "To": to[0] if len(to) == 1 else f"{_UNDISCLOSED}:;",
        "Subject": _subject(what.subject),
        "Date": email.utils.format_datetime(
            datetime.datetime.now(datetime.UTC)
        ),
        "Message-ID": _message_id(message_id, domain),
        # So that no machine answers it, and none tells that one is away.
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
        "Precedence": "bulk",
    }
    lines = "".join(f"{name}: {text}\r\n" for name, text in head.items())
    _prove(lines, list(head), sender, to)
    message = email.message.EmailMessage(
        email.policy.SMTP.clone(utf8=international)
    )
    left_out = what.attachments and not with_files
    text = what.text + (WITHOUT_FILES if left_out else "")
    message.set_content(
        _storable(text), subtype="plain", cte="quoted-printable"
    )
    if what.html:
        message.add_alternative(
            _storable(what.html), subtype="html", cte="quoted-printable"
        )
    for each in what.attachments if with_files else ():
        kind, _, subtype = each.media_type.partition("/")
        message.add_attachment(
            each.content,
            maintype=kind,
            subtype=subtype or "octet-stream",
            filename=file_name(each.name),
            params={"charset": "utf-8"} if kind == "text" else None,
        )
    coded = lines.encode("utf-8" if international else "ascii")
    return coded + message.as_bytes()


def file_name(text: str) -> str:
    """A name that no system takes for a path or a hidden file."""
    return _NOT_IN_FILES.sub("-", text)[-100:].lstrip("-.") or "file"


def _prove(
    lines: str, names: list[str], sender: str, to: Sequence[str]
) -> None:
    """Make sure that the headers are what they are to be, and no more.

    :raises MailError: an address would be read as something else.
    """
    read = email.message_from_string(lines, policy=email.policy.SMTP)
    meant = {"From": [sender], "To": to if len(to) == 1 else []}
    # Where it is no address the library fails in any way.
    with contextlib.suppress(LookupError, TypeError, ValueError):
        if read.keys() == names and all(
            [each.addr_spec for each in read[name].addresses] == [*addresses]
            for name, addresses in meant.items()
        ):
            return
    raise errors.MailError(
        f"{shown(to[0])} from {shown(sender)}: would be read as another "
        "address, or as more than one"
    )


def _subject(text: str) -> str:
    """A text as a header, with nothing in it that asks to be decoded."""
    line = _storable(one_line(text))
    if len(line) > _LONGEST_SUBJECT:
        line = line[: _LONGEST_SUBJECT - 3] + "..."
    plain = line.isascii() and "=?" not in line
    return email.header.Header(
        line, "us-ascii" if plain else "utf-8", header_name="Subject"
    ).encode(linesep="\r\n")


def _message_id(text: str, domain: str) -> str:
    local = _NOT_IN_IDS.sub("-", text)[:_LONGEST_ID].strip("-.") or "report"
    return f"<{local}@{domain.strip('[]').replace(':', '.')}>"


def _storable(text: str) -> str:
    """Without halves of letters, which no encoding has."""
    return text.encode("utf-8", "replace").decode("utf-8")
