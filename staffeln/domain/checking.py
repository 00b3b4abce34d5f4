# SPDX-License-Identifier: Apache-2.0
"""May this backup be deleted: what is asked, known, and answered."""

from __future__ import annotations

import dataclasses
import enum

from staffeln.domain import model


class Doubt(enum.StrEnum):
    """Why Staffeln says no without knowing that a backup is managed."""

    TARGET = "what is to be deleted cannot be read"
    OTHER_BACKUP = "the policy check and its target name different backups"
    SCHEMA = "the database has not the schema of this release"
    UNBOUND = "the database was not bound to a cloud yet"
    EXCHANGED = "the database is not the one that was seen before"
    FORGOTTEN = "what was seen of the database before cannot be told"
    UNSETTLED = "a backup of that volume is being started"
    NO_ANSWER = "the database does not answer"
    LATE = "the database answered too late"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeletionTarget:
    """What Cinder says of the backup that is to be deleted."""

    id: str | None = None
    """As it was sent: whether it is an id at all is to be looked at."""
    volume_id: str | None = None
    """Lower case, with hyphens."""
    user_id: str | None = None
    """Who made it."""
    deployments: frozenset[str] = frozenset()
    """The deployments that its metadata name, in lower case."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeletionQuestion:
    """Somebody wants to delete a backup: may he?"""

    backup_id: str
    """Lower case, with hyphens."""
    target: DeletionTarget | None = None
    """None: nothing was said of it, or it is not readable."""
    readable: bool = True
    """False: something was said of the target, and nobody knows what."""
    request_id: str = ""
    """Of the request that asks; for the log."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class DeletionAnswer:
    """Whether a backup may be deleted by whoever asked."""

    allowed: bool
    why: str
    doubt: Doubt | None = None
    """None: the answer is certain."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Age:
    """How far the history of a database has come, at one moment."""

    term: int
    """Number of the scheduler's term; it never becomes lower."""
    seq: int = 0
    """Number of the scheduler's writes in that term; neither does it."""
    holder: str = ""
    """Who took that term, and when; empty: the database does not say."""
    known_term: int | None = None
    """The earlier term that was asked about, if any."""
    known_holder: str = ""
    """Who took that one, and when; empty: the database knows none such."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the database says of a backup, and of itself, at one moment."""

    deployment_uuid: str
    service_user: str | None
    """Id of the user who makes our backups; None: no conductor has bound the
    database yet."""
    schema_is_current: bool
    age: Age
    backup_state: model.BackupState | None
    """None: there is no such row."""
    unsettled_volume: bool
    """A live task makes a backup of the volume that has no row yet."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Strange:
    """Why a database may not be believed, though it looks whole."""

    doubt: Doubt
    why: str
    """For the log: what was found, and what an operator does about it."""
