# SPDX-License-Identifier: Apache-2.0
"""What a doctor can lay hands on; each opens when it is called.

All of them may raise StaffelnError. What was opened once is kept.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from staffeln import ports
from staffeln.domain import freshness
from staffeln.workflow.settings import Settings

if TYPE_CHECKING:
    from staffeln.cloud.inspection import Account, Door
    from staffeln.db.inspection import Galera

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """What the configuration says of itself."""

    files: tuple[str, ...]
    unknown: tuple[str, ...]
    """A sentence for each option that nothing would read."""
    outdated: tuple[str, ...]
    """A sentence for each option of release 2.x."""
    wrong: str = ""
    """The first option whose value is wrong; empty: none is."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseState:
    """A database that answers."""

    server: str
    where: str
    """Its URL without the password."""
    galera: Galera | None


class Inspection(Protocol):
    """See :class:`staffeln.cloud.inspection.Inspection`."""

    def account(self) -> Account:
        """Sign in as the service."""

    def roles(self, project_id: str) -> tuple[str, ...]:
        """Names of the service user's roles in a project."""

    def nova(self) -> Door:
        """Nova."""

    def cinder(self) -> Door:
        """Cinder."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDoor:
    """How staffeln-api is asked whether a backup may be deleted."""

    url: str
    """Scheme, host and port, without user information."""
    ask: Callable[[str], tuple[int, str]]
    """Asks for a backup id: status and text of the answer."""
    health: Callable[[], Sequence[str]]
    """What keeps it from answering, by itself."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """The coordination backend, as it is configured."""

    description: str
    local: bool
    warning: str | None
    missing_rights: Callable[[], Sequence[str]]
    probe: Callable[[], None]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """A deployment that is to be looked at, and nothing of it changed."""

    configured: Callable[[], Configured]
    """:raises ConfigurationError: a file cannot be read."""
    too_open: Callable[[], Sequence[str]]
    """A sentence for each file or folder that others can do too much with:
    what is wrong, a colon, what helps."""
    cloud: Callable[[], ports.Cloud]
    inspection: Callable[[], Inspection]
    database: Callable[[], DatabaseState]
    """:raises StoreError: it does not answer."""
    missing_rights: Callable[[], Sequence[str]]
    """What its user may not do in the tables, as rights and table."""
    store: Callable[[], ports.Store]
    """:raises SchemaError: it has not the schema of this release."""
    backup_key_is_set: Callable[[], bool]
    settings: Callable[[], Settings]
    freshness_limits: Callable[[], freshness.Limits]
    policy: Callable[[], PolicyDoor]
    mail: Callable[[], str | None]
    """Goes as far as the login; None: no mail is sent at all.

    :raises MailError: no message would be taken.
    """
    office: Callable[[], Office]
    host_time: Callable[[], datetime.datetime]
    secrets: Callable[[], Mapping[str, str]] = dict
    """Texts that are never to be printed, and what is printed instead."""


def once(work: Callable[[], T]) -> Callable[[], T]:
    """Carry it out when it is first wanted; several threads get the same."""
    lock = threading.Lock()

    @functools.cache
    def kept() -> T:
        return work()

    def asked() -> T:
        with lock:
            return kept()

    return asked
