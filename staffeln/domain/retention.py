# SPDX-License-Identifier: Apache-2.0
"""How long a backup is kept: what governs it, and when it expires.

The expiry of a backup is Cinder's created_at plus the retention time that
governs it. It moves later at once, and earlier only after a grace: no
round moves it to a time that is nearer than the grace. So no option and no
metadata that became shorter, by mistake or by malice, deletes in bulk.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
from collections.abc import Iterable

from staffeln.domain import durations, errors, model, policies, selection

LONGEST_TEXT = 255
"""Characters that are kept of a value that users write."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a server that was read says of retention."""

    text: str | None
    """None: it has no value of its own."""


_NOTHING = datetime.timedelta(0)

_PROMISED = "promised "
"""Before the retention time of a backup whose expiry is not known yet."""

GONE = Reading(None)
"""A server that is proved gone has no value that could still come."""


# -- what governs a backup ---------------------------------------------------


def reading_of(
    kept: model.Governance,
    inventory: model.Inventory,
    default: durations.Duration,
) -> Reading | None:
    """What the servers say that govern these backups; None: not read.

    It is the server that they were made of. Where their volume is attached
    to several servers now, that one among them, the longest value wins.

    :param default: ``retention_time``, which counts for servers without a
        value.
    """
    servers = inventory.servers
    if kept.server_id not in servers:
        return None
    sharing = inventory.shared.get(kept.volume_id, ())
    if kept.server_id not in sharing:
        return Reading(servers[kept.server_id])
    return Reading(
        selection.longest_retention(
            (servers[each] for each in sharing), default
        )
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Ruling:
    """What is the same for all backups that one governance governs."""

    settled: bool
    """Whether :func:`governed` would change nothing of those whose expiry
    has not come yet."""
    length: datetime.timedelta | None
    """How long they are kept; None: that depends on the calendar, or is not
    known."""


def rule(
    kept: model.Governance,
    reading: Reading | None,
    policy: policies.RetentionPolicy,
) -> Ruling:
    """Say of all backups that something governs what can be said of all."""
    noted = _noted(kept, reading)
    duration = _duration(noted, policy)
    if duration is None:
        settled = not kept.kept_for or kept.kept_for.startswith(_PROMISED)
        return Ruling(settled and noted == kept, None)
    by_calendar = duration.calendar_months or policy.minimum.calendar_months
    return Ruling(
        settled=noted == kept
        and kept.kept_for == str(duration)
        and kept.grace in ("", _grace(policy)),
        length=None if by_calendar else duration.fixed,
    )


def is_as_ruled(backup: model.Backup, ruling: Ruling) -> bool:
    """Whether :func:`governed` would surely change nothing, at any time."""
    return (
        ruling.settled
        and ruling.length is not None
        and backup.expires_at is not None
        and not backup.grace
        and backup.expires_at - backup.created_at == ruling.length
    )


def governed(
    backup: model.Backup,
    reading: Reading | None,
    policy: policies.RetentionPolicy,
    now: datetime.datetime,
) -> model.Backup:
    """The backup with what governs it, and its expiry, brought up to date.

    A backup that is governed for the first time was promised what its
    server said when it was planned. One that is being made is left: only
    its end tells when Cinder made it.

    :param reading: what its server says; None: it was not read, and the
        last value that was stored holds on.
    """
    if backup.state is model.BackupState.CREATING:
        return backup
    if backup.expires_at is None:
        backup = _promised(backup, reading, policy)
    noted = _noted(backup.governance, reading)
    duration = _duration(noted, policy)
    if duration is None:
        return dataclasses.replace(
            backup,
            retention=noted.retention,
            retention_known=noted.retention_known,
            retention_valid=noted.retention_valid,
        )
    expires_at = wanted = _wanted(backup, duration, policy)
    if backup.expires_at is not None:
        soonest = now + policy.shortening_grace
        expires_at = max(wanted, min(backup.expires_at, soonest))
    return dataclasses.replace(
        backup,
        retention=noted.retention,
        retention_known=noted.retention_known,
        retention_valid=noted.retention_valid,
        kept_for=_in_words(duration),
        grace=_grace(policy) if expires_at > wanted else "",
        expires_at=expires_at,
    )


def promise(
    backup: model.Backup,
    earlier: Iterable[model.Backup],
    policy: policies.RetentionPolicy,
) -> model.Backup:
    """A backup that is begun, with the retention time that it is made under.

    What becomes shorter before its end tells when it expires is shortened
    like everything else: after a grace.

    :param earlier: rows of the same volume, the newest first: where its
        server's value is unreadable, the last valid one is theirs.
    """
    valid = next(
        (
            text
            for row in earlier
            if row.server_id == backup.server_id
            for text in (row.retention, row.retention_valid)
            if _parsed(text) is not None
        ),
        None,
    )
    kept = dataclasses.replace(backup.governance, retention_valid=valid)
    noted = _noted(kept, Reading(backup.retention))
    return dataclasses.replace(
        backup,
        retention=noted.retention,
        retention_valid=noted.retention_valid,
        kept_for=f"{_PROMISED}{_duration(noted, policy)}",
    )


def promise_of_adopted(
    values: Iterable[str | None],
    siblings: Iterable[model.Backup],
    policy: policies.RetentionPolicy,
) -> str:
    """What is noted of a backup whose row was lost: the longest known.

    :param values: what servers said of retention.
    :param siblings: rows of the same volume and project.
    """
    siblings = list(siblings)
    texts = [*values, *(_bare(row.kept_for) for row in siblings)]
    known = [each for each in map(_parsed, texts) if each is not None]
    # Where it became shorter theirs say how long they are kept all the same.
    known += [
        durations.Duration(seconds=int(kept.total_seconds()))
        for row in siblings
        if row.expires_at is not None
        and (kept := row.expires_at - row.created_at) > _NOTHING
    ]
    longest = durations.longest(policy.retention_time, policy.minimum, *known)
    return f"{_PROMISED}{longest}"


def _bare(kept_for: str) -> str:
    """A retention time, whether it governs already or is promised."""
    return kept_for.removeprefix(_PROMISED)


def _promised(
    backup: model.Backup,
    reading: Reading | None,
    policy: policies.RetentionPolicy,
) -> model.Backup:
    """With the expiry that it has by what was stored when it was begun.

    Backups that another release made have no more than the value of their
    server. What was promised to one whose server was never read counts from
    when that is read, or proved gone.
    """
    if reading is None and not backup.retention_known:
        return backup
    valid = backup.retention_valid
    duration = _parsed(_bare(backup.kept_for))
    if duration is None and backup.retention_known:
        stored = _noted(backup.governance, Reading(backup.retention))
        valid = stored.retention_valid
        duration = _duration(stored, policy)
    if duration is None:
        return backup
    return dataclasses.replace(
        backup,
        retention_valid=valid,
        expires_at=_wanted(backup, duration, policy),
    )


def _wanted(
    backup: model.Backup,
    duration: durations.Duration,
    policy: policies.RetentionPolicy,
) -> datetime.datetime:
    """The expiry without any grace.

    Whether 1mon or 30d is longer depends on the month, but the minimum is
    a floor in every month.
    """
    return max(
        durations.after(backup.created_at, duration),
        durations.after(backup.created_at, policy.minimum),
    )


def _noted(
    kept: model.Governance, reading: Reading | None
) -> model.Governance:
    """What is stored of a reading."""
    if reading is None:
        return kept
    if reading.text is None:
        texts = (kept.retention, kept.retention_valid)
        if kept.retention_known and texts == (None, None):
            return kept
        return dataclasses.replace(
            kept, retention=None, retention_known=True, retention_valid=None
        )
    text = _storable(reading.text)
    valid = kept.retention_valid
    if _parsed(text) is not None:
        valid = text
    return dataclasses.replace(
        kept, retention=text, retention_known=True, retention_valid=valid
    )


def _storable(text: str) -> str:
    """As every database keeps it, and gives it back the same."""
    whole = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return whole[:LONGEST_TEXT].strip()


@functools.lru_cache(maxsize=1024)
def _parsed(text: str | None) -> durations.Duration | None:
    if text is None:
        return None
    try:
        return durations.parse(text)
    except errors.InvalidDurationError:
        return None


def _duration(
    kept: model.Governance, policy: policies.RetentionPolicy
) -> durations.Duration | None:
    """The retention time that governs; None: nobody knows."""
    if not kept.retention_known:
        return None
    duration = policy.retention_time
    if kept.retention is not None:
        own = _parsed(kept.retention)
        if own is not None:
            duration = own
        else:
            valid = _parsed(kept.retention_valid) or duration
            duration = durations.longest(duration, valid)
    return durations.longest(duration, policy.minimum)


def is_readable(text: str) -> bool:
    """Whether a server's value is a duration."""
    return _parsed(_storable(text)) is not None


@functools.lru_cache(maxsize=1024)
def _in_words(duration: durations.Duration) -> str:
    return str(duration)


def _grace(policy: policies.RetentionPolicy) -> str:
    """As it is noted with a backup whose retention became shorter."""
    return f"{int(policy.shortening_grace.total_seconds())}s"
