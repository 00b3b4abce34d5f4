# SPDX-License-Identifier: Apache-2.0
"""How long a backup is kept, and which backups may go.

The expiry of a backup is Cinder's created_at plus the retention time that
governs it. It moves later at once, and earlier only after a grace: no
round moves it to a time that is nearer than the grace. So no option and no
metadata that became shorter, by mistake or by malice, deletes in bulk.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from staffeln.domain import durations, errors, model, schedule, selection

LONGEST_TEXT = 255
"""Characters that are kept of a value that users write."""

_GOING = frozenset({model.BackupState.UNWANTED, model.BackupState.DELETING})


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a server that was read says of retention."""

    text: str | None
    """None: it has no value of its own."""


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


def is_settled(
    kept: model.Governance,
    reading: Reading | None,
    policy: model.RetentionPolicy,
) -> bool:
    """Whether :func:`governed` would change nothing of these backups."""
    noted = _noted(kept, reading)
    if noted != kept:
        return False
    duration = _duration(noted, policy)
    if duration is None:
        return not kept.kept_for
    return kept.kept_for == str(duration) and kept.grace in (
        "",
        _grace(policy),
    )


def governed(
    backup: model.Backup,
    reading: Reading | None,
    policy: model.RetentionPolicy,
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
        backup = _promised(backup, policy)
    noted = _noted(backup.governance, reading)
    duration = _duration(noted, policy)
    backup = dataclasses.replace(
        backup,
        retention=noted.retention,
        retention_known=noted.retention_known,
        retention_valid=noted.retention_valid,
    )
    if duration is None:
        return backup
    expires_at = wanted = _wanted(backup, duration, policy)
    if backup.expires_at is not None:
        soonest = now + policy.shortening_grace
        expires_at = max(wanted, min(backup.expires_at, soonest))
    return dataclasses.replace(
        backup,
        kept_for=str(duration),
        grace=_grace(policy) if expires_at > wanted else "",
        expires_at=expires_at,
    )


def _promised(
    backup: model.Backup, policy: model.RetentionPolicy
) -> model.Backup:
    """With the expiry that it has by what was stored when it was planned."""
    stored = _noted(backup.governance, Reading(backup.retention))
    duration = _duration(stored, policy) if backup.retention_known else None
    if duration is None:
        return backup
    return dataclasses.replace(
        backup,
        retention_valid=stored.retention_valid,
        expires_at=_wanted(backup, duration, policy),
    )


def _wanted(
    backup: model.Backup,
    duration: durations.Duration,
    policy: model.RetentionPolicy,
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


def _parsed(text: str | None) -> durations.Duration | None:
    if text is None:
        return None
    try:
        return durations.parse(text)
    except errors.InvalidDurationError:
        return None


def _duration(
    kept: model.Governance, policy: model.RetentionPolicy
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


def _grace(policy: model.RetentionPolicy) -> str:
    """As it is noted with a backup whose retention became shorter."""
    return f"{int(policy.shortening_grace.total_seconds())}s"


# -- which may go ------------------------------------------------------------


class What(enum.StrEnum):
    """What was decided for a backup."""

    DELETE = "delete"
    KEEP = "keep"
    GOING = "going"
    """It is on its way out for another reason than its age."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What becomes of a backup, and why."""

    backup: model.Backup
    what: What
    why: str
    waits_for: str | None = None
    """A backup that depends on it and has to be gone first."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What is to be known of a volume besides its backups."""

    selected: bool
    """Whether it is to be backed up further on."""
    growing: frozenset[str] = frozenset()
    """Projects in which a backup is under way that may build on others."""
    spared: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Projects whose backups do not expire, and why."""


def judge(
    rows: Iterable[model.Backup],
    around: Circumstances,
    policy: model.RetentionPolicy,
    now: datetime.datetime,
) -> list[Verdict]:
    """Decide for all backups of one volume; newest first in each project.

    A backup goes only when everything that depends on it goes before it.
    The parent of an incremental is a backup of the same project, so that
    the volumes of a transferred volume's projects are chains apart.

    :param rows: as :func:`governed` returns them; vanished ones get no
        verdict.
    """
    ordered = sorted(rows, key=_in_chain_order, reverse=True)
    newest = frozenset(_newest(ordered, policy) if around.selected else ())
    of_projects: defaultdict[str, list[model.Backup]] = defaultdict(list)
    for row in ordered:
        of_projects[row.project_id].append(row)
    return [
        verdict
        for project_id, chains in of_projects.items()
        for verdict in _judge_chains(chains, project_id, newest, around, now)
    ]


def _in_chain_order(row: model.Backup) -> tuple[datetime.datetime, bool, str]:
    """By time; of one moment the full first."""
    return row.created_at, row.incremental is not False, row.id


def _newest(
    rows: Sequence[model.Backup], policy: model.RetentionPolicy
) -> list[str]:
    """Broken backups must not end in no backups."""
    completed = [
        row.id
        for row in rows
        if row.state is model.BackupState.AVAILABLE
        and row.completed_at is not None
    ]
    return completed[: policy.keep_last]


def _judge_chains(
    rows: Sequence[model.Backup],
    project_id: str,
    newest: frozenset[str],
    around: Circumstances,
    now: datetime.datetime,
) -> Iterator[Verdict]:
    """Walk from the newest to the oldest, through one chain after the other.

    What stays holds all that it depends on: everything before it up to the
    full one of its chain. A backup whose mode nobody knows may depend on
    the one before it, and what follows may build on it.
    """
    holder = ""
    if project_id in around.growing:
        holder = "a backup that may build on it is under way"
    newer: str | None = None
    for row in rows:
        if row.state is not model.BackupState.VANISHED:
            own = _own_reason(row, project_id, newest, around, now)
            what, why = _decide(row, own, holder)
            yield Verdict(
                backup=row,
                what=what,
                why=why,
                waits_for=newer if what is What.DELETE else None,
            )
            if row.incremental is not False:
                if what is What.KEEP and own:
                    holder = f"backup {row.id} depends on it and stays: "
                    holder += own
                if what is not What.GOING or newer is None:
                    # One that goes anyway is no sign that those after it
                    # are gone.
                    newer = row.id
        if _begins_chain(row):
            holder, newer = "", None


def _decide(row: model.Backup, own: str, holder: str) -> tuple[What, str]:
    """What becomes of a backup, and why.

    :param own: why it stays, whatever depends on it.
    :param holder: why it stays for what depends on it.
    """
    if row.state in _GOING:
        return What.GOING, row.reason or f"it is {row.state}"
    if own or holder:
        return What.KEEP, own or holder
    return What.DELETE, _expired(row)


def _begins_chain(row: model.Backup) -> bool:
    """Whether what follows does not depend on what is before.

    One that vanished did begin its chain. A full one that never held all
    data did not: the backups after it build on the chain before it.
    """
    return row.incremental is False and (
        row.completed_at is not None
        or row.state is model.BackupState.AVAILABLE
    )


def _own_reason(
    row: model.Backup,
    project_id: str,
    newest: frozenset[str],
    around: Circumstances,
    now: datetime.datetime,
) -> str:
    """Why the backup itself stays, whatever depends on it; empty: no why."""
    if row.state is model.BackupState.CREATING:
        return "it is being made"
    if row.expires_at is None:
        if row.retention_known:
            return "its retention is not decided yet"
        return (
            f"its server {row.server_id or 'is not known, it'} was never "
            "read and is not proved gone"
        )
    if now < row.expires_at:
        return _until(row)
    if row.id in newest:
        return (
            f"expired {schedule.words(row.expires_at)}, but one of the "
            "newest of a selected volume (retention_keep_last)"
        )
    if project_id in around.spared:
        return around.spared[project_id]
    return ""


def _until(row: model.Backup) -> str:
    if row.expires_at is None:
        raise ValueError(f"backup {row.id} has no expiry")
    until = f"until {schedule.words(row.expires_at)}"
    if row.grace:
        return f"{until}: shortened to {row.kept_for}, after a grace"
    return f"{until}: kept for {row.kept_for}"


def _expired(row: model.Backup) -> str:
    if row.expires_at is None:
        raise ValueError(f"backup {row.id} has no expiry")
    return f"expired {schedule.words(row.expires_at)}: kept for {row.kept_for}"


# -- how much may go at once -------------------------------------------------

CONFIRMED_FOR = datetime.timedelta(days=1)
"""How long an operator's yes holds."""

CONFIRMED_MORE = 1.1
"""What is confirmed grows while it waits: so many times as much is meant."""


def is_too_large(
    would: int, total: int, policy: model.RetentionPolicy
) -> bool:
    """Whether a round needs an operator's yes.

    :param would: how many backups it would delete or forget.
    :param total: how many managed backups there are.
    """
    return would >= policy.small_round and would > policy.max_fraction * total


def is_confirmed(
    breaker: model.Breaker | None, would: int, now: datetime.datetime
) -> bool:
    """Whether an operator has agreed to a round of this size."""
    return (
        breaker is not None
        and breaker.confirmed_at is not None
        and now < breaker.confirmed_at + CONFIRMED_FOR
        and would <= breaker.would * CONFIRMED_MORE
    )


def clocks_apart(
    clocks: Mapping[str, datetime.datetime], tolerance: datetime.timedelta
) -> str | None:
    """In words, how far clocks are apart; None: they agree.

    :param clocks: by whose they are, what they showed at one moment.
    """
    slow = min(clocks, key=lambda whose: clocks[whose])
    fast = max(clocks, key=lambda whose: clocks[whose])
    apart = clocks[fast] - clocks[slow]
    if apart <= tolerance:
        return None
    return (
        f"the clock of {fast} ({schedule.words(clocks[fast])}) and that of "
        f"{slow} ({schedule.words(clocks[slow])}) are {apart} apart; "
        f"{tolerance} are tolerated"
    )
