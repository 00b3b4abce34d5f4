# SPDX-License-Identifier: Apache-2.0
"""Who gets a report.

Without a sender all goes into the log. With receivers, one message with
all due projects goes to them. Else each project has a message of its own:
to its name at a domain, where that can be nobody else's address, or to its
members. What finds no reader for long goes to the operators.
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import re
from collections.abc import Iterable

from staffeln.domain import report

LONGEST_LOCAL_PART = 64
LONGEST_ADDRESS = 254
"""Bytes, by RFC 5321."""

PATIENCE = 3
"""So many report periods after it was due a report goes to the operators."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(\.{_ATOM})*")
_LABEL = r"[A-Za-z0-9\u0080-\U0010ffff]([\w-]{0,61}[^\W_])?"
_DOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_LITERAL = re.compile(r"\[(\d{1,3}(\.\d{1,3}){3}|IPv6:[0-9A-Fa-f:.]+)\]")
_MAILBOX = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]|\.(?!\.|$))*")
"""Names that mail servers take as they stand: what comes behind a plus
would be cut off, and some hand on what has a percent or a bang."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Who is to be told, as the configuration says."""

    sender: str | None = None
    """None: all goes into the log."""
    receivers: tuple[str, ...] = ()
    """They get one message with all due projects."""
    project_domain: str | None = None
    operators: tuple[str, ...] = ()
    """They get what finds no reader; if none, the log does."""
    roles: tuple[str, ...] = ("member",)
    """Members with one of these roles are written to."""
    period: datetime.timedelta = datetime.timedelta(days=1)
    """How old the oldest unreported task of a project becomes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Receivers:
    """Who gets a message: addresses, or the log, or nobody and why."""

    addresses: tuple[str, ...] = ()
    into_log: bool = False
    why_nobody: str = ""

    @property
    def found(self) -> bool:
        """Whether anybody gets it."""
        return self.into_log or bool(self.addresses)


THE_LOG = Receivers(into_log=True)


def of_all(policy: Policy) -> Receivers | None:
    """Who gets one message for all due projects.

    None: each project has a message of its own.
    """
    if policy.sender is None:
        return THE_LOG
    if policy.receivers:
        return Receivers(addresses=_each_once(policy.receivers))
    return None


def operators(policy: Policy) -> Receivers:
    """Who gets what concerns the operators, or finds no reader."""
    if policy.sender is None or not policy.operators:
        return THE_LOG
    return Receivers(addresses=_each_once(policy.operators))


class Mailboxes:
    """Which projects have an address by their name."""

    def __init__(self, policy: Policy, projects: report.ProjectList) -> None:
        self._domain = policy.project_domain
        self._projects = {each.id: each for each in projects}
        self._complete = projects.complete
        self._holders = collections.Counter(
            each.name.casefold() for each in projects
        )

    def of(self, project_id: str) -> Receivers:
        """The address of a project, or why it has none."""
        if not self._domain:
            return Receivers(why_nobody="no project_receiver_domain")
        project = self._projects.get(project_id)
        if project is None:
            return Receivers(why_nobody="its name is not known")
        if not self._complete:
            words = "Keystone's list of projects is cut off"
            return Receivers(why_nobody=f"{words}: others may be called so")
        if self._holders[project.name.casefold()] > 1:
            return Receivers(why_nobody="another project is called so")
        address = f"{project.name}@{self._domain}"
        if not _MAILBOX.fullmatch(project.name) or fault(address):
            return Receivers(why_nobody="its name is no mailbox")
        return Receivers(addresses=(address,))


def of_members(members: Iterable[report.Member]) -> Receivers:
    """The addresses of a project's members that are addresses."""
    found = _each_once(
        each.email for each in members if fault(each.email) is None
    )
    if not found:
        return Receivers(why_nobody="no member has an e-mail address")
    return Receivers(addresses=found)


def is_undeliverable(
    policy: Policy, due_at: datetime.datetime, now: datetime.datetime
) -> bool:
    """Whether a report has found no reader for too long.

    :param due_at: since when there could have been one.
    """
    return now - due_at > PATIENCE * policy.period


# -- addresses ---------------------------------------------------------------


def fault(address: str) -> str | None:
    """Why a text is no e-mail address, in words; None: it is one.

    A bare address: no name beside it, no quotes, no comments; and nothing
    that readers of headers decode, for there may be whole headers in it.
    """
    local, at, domain = address.rpartition("@")
    if not at:
        return "there is no @ in it"
    if not _fits(address, LONGEST_ADDRESS) or not _fits(
        local, LONGEST_LOCAL_PART
    ):
        return "it is too long or has letters that do not exist"
    if not address.isprintable() or not _LOCAL_PART.fullmatch(local):
        return "what comes before the @ is no local part"
    if "=?" in local or "?=" in local:
        return "what comes before the @ would be decoded"
    if not is_domain(domain):
        return "what comes after the @ is no domain"
    return None


def is_domain(text: str) -> bool:
    """Whether a text can be what comes after the @."""
    return text.isprintable() and bool(
        _DOMAIN.fullmatch(text) or _LITERAL.fullmatch(text)
    )


def _fits(text: str, longest: int) -> bool:
    try:
        return len(text.encode()) <= longest
    except UnicodeEncodeError:
        return False


def _each_once(addresses: Iterable[str]) -> tuple[str, ...]:
    """Without those that differ in capital letters alone."""
    found: dict[str, str] = {}
    for address in addresses:
        found.setdefault(address.casefold(), address)
    return tuple(found.values())
