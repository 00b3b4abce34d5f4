# SPDX-License-Identifier: Apache-2.0
"""A rendered report as a message of mail.

Nothing that users name ends a header or begins one: what goes into headers
is one printable line, and addresses were looked at letter by letter.
"""

from __future__ import annotations

import datetime
import email.headerregistry
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
_NAME = "Staffeln"

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
    """
    message = email.message.EmailMessage(
        email.policy.SMTP.clone(utf8=international)
    )
    local, _, domain = sender.rpartition("@")
    message["From"] = email.headerregistry.Address(_NAME, local, domain)
    message["To"] = _to(to)
    message["Subject"] = _subject(what.subject)
    message["Date"] = email.utils.format_datetime(
        datetime.datetime.now(datetime.UTC)
    )
    message["Message-ID"] = _message_id(message_id, domain)
    # So that no machine answers it, and none tells that one is away.
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message["Precedence"] = "bulk"
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
    return message.as_bytes()


def file_name(text: str) -> str:
    """A name that no system takes for a path or a hidden file."""
    return _NOT_IN_FILES.sub("-", text)[-100:].lstrip("-.") or "file"


def _to(
    to: Sequence[str],
) -> email.headerregistry.Address | email.headerregistry.Group:
    if len(to) != 1:
        return email.headerregistry.Group("undisclosed-recipients")
    local, _, domain = to[0].rpartition("@")
    return email.headerregistry.Address("", local, domain)


def _subject(text: str) -> str:
    line = one_line(text)
    if len(line) > _LONGEST_SUBJECT:
        line = line[: _LONGEST_SUBJECT - 3] + "..."
    return line


def _message_id(text: str, domain: str) -> str:
    local = _NOT_IN_IDS.sub("-", text).strip("-.") or "report"
    return f"<{local}@{domain.strip('[]').replace(':', '.')}>"


def _storable(text: str) -> str:
    """Without halves of letters, which no encoding has."""
    return text.encode("utf-8", "replace").decode("utf-8")
