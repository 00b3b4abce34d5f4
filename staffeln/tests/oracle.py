# SPDX-License-Identifier: Apache-2.0
"""What retention has to do, told a second time and as literally as can be.

A world is what there is and what was observed of it, one observation for
each round; :func:`to_go` says which backups have to be gone after the round
at a time, and :func:`to_stay` which have to be there. Nothing is clever:
the expiry is worked out anew from all observations, what depends on what is
asked for each pair of backups, and the backups that go are the largest set
that breaks no rule. It knows nothing of :mod:`staffeln.domain.retention`.

How much may go at once, and whether clocks agree, is not part of it.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Iterable, Mapping

from staffeln.domain import durations, errors, model

State = model.BackupState
ON_ITS_WAY_OUT = (State.UNWANTED, State.DELETING)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of retention, as an operator writes them."""

    retention_time: str = "30d"
    minimum: str = "0s"
    keep_last: int = 1
    grace: datetime.timedelta = datetime.timedelta(days=7)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup, as it stands now."""

    id: str
    volume_id: str
    project_id: str
    server_id: str
    created_at: datetime.datetime
    incremental: bool | None
    """None: nobody knows."""
    state: model.BackupState = State.AVAILABLE
    completed: bool = True
    """It holds all data, or has held it once."""
    ended_at: datetime.datetime | None = None
    """From when on observations count for it; None: from created_at."""
    promised: str | None = None
    """The value of its server when it was planned; None: it had none."""
    known: bool = True
    """False: nobody knows what its server said then."""
    made_under: Options | None = None
    """The options of that time; None: those of the first observation."""
    managed: bool = True
    """False: a user's own, which nobody deletes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one round saw."""

    at: datetime.datetime
    options: Options = Options()
    values: Mapping[str, str | None] = dataclasses.field(default_factory=dict)
    """The value of each server that was read; None: it has none."""
    gone: frozenset[str] = frozenset()
    """Servers that were proved gone."""
    sharing: Mapping[str, tuple[str, ...]] = dataclasses.field(
        default_factory=dict
    )
    """The servers of volumes with several."""
    selected: frozenset[str] = frozenset()
    """Volumes that are still to be backed up."""
    growing: frozenset[tuple[str, str]] = frozenset()
    """Volumes, with the project, of which an incremental is under way."""
    spared: frozenset[str] = frozenset()
    """Projects that are disabled or unreadable."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All backups, and all that was ever observed, oldest first."""

    backups: tuple[Backup, ...]
    observations: tuple[Observation, ...]


# -- which go ----------------------------------------------------------------


def to_stay(world: World, now: datetime.datetime) -> set[str]:
    """Ids of the backups that have to be there after the round at ``now``.

    Those on their way out for another reason may be there or not.
    """
    return (
        {each.id for each in world.backups if each.state is not State.VANISHED}
        - {each.id for each in world.backups if each.state in ON_ITS_WAY_OUT}
        - to_go(world, now)
    )


def to_go(world: World, now: datetime.datetime) -> set[str]:
    """Ids of the backups that the round at ``now`` has to delete."""
    seen = _last(world, now)
    there = [each for each in world.backups if each.state != State.VANISHED]
    kept_anyway = kept_last(world.backups, seen)
    going = {
        each.id
        for each in there
        if each.managed
        and each.state is State.AVAILABLE
        and has_expired(world, each, now)
        and each.id not in kept_anyway
        and each.project_id not in seen.spared
    }
    while True:
        held = {
            each.id
            for each in there
            if each.id in going
            and (
                _may_be_built_on(each, world.backups, seen)
                or any(
                    other.id not in going
                    and other.state not in ON_ITS_WAY_OUT
                    and may_depend(other, each, world.backups)
                    for other in there
                )
            )
        }
        if not held:
            return going
        going -= held


def may_depend(
    child: Backup, parent: Backup, backups: Iterable[Backup]
) -> bool:
    """Whether a backup may need another one, directly or not.

    It needs what came before it in its volume and project, back to the full
    backup that it starts from. A full backup that never held all data is
    nothing to start from.
    """
    if child.incremental is False or not _before(parent, child):
        return False
    return not any(
        _starts_a_chain(each)
        for each in backups
        if _before(parent, each) and _before(each, child)
    )


def _may_be_built_on(
    parent: Backup, backups: Iterable[Backup], seen: Observation
) -> bool:
    """Whether a backup that is under way may need this one."""
    if (parent.volume_id, parent.project_id) not in seen.growing:
        return False
    return not any(
        _starts_a_chain(each) for each in backups if _before(parent, each)
    )


def _starts_a_chain(backup: Backup) -> bool:
    return backup.incremental is False and backup.completed


def _before(one: Backup, other: Backup) -> bool:
    """Whether one is older, in the same volume and project."""
    return (one.volume_id, one.project_id) == (
        other.volume_id,
        other.project_id,
    ) and _age(one) < _age(other)


def _age(backup: Backup) -> tuple[datetime.datetime, bool, str]:
    return backup.created_at, backup.incremental is not False, backup.id


def kept_last(backups: Collection[Backup], seen: Observation) -> set[str]:
    """The newest ones of each selected volume, and what is newer still.

    So many that can be restored are to be left.
    """
    kept: set[str] = set()
    for volume_id in seen.selected:
        completed = [
            each
            for each in backups
            if each.volume_id == volume_id
            and each.managed
            and each.completed
            and each.state is State.AVAILABLE
        ]
        completed.sort(key=_age, reverse=True)
        whole = [each for each in completed if _is_whole(each, backups)]
        last = whole[: seen.options.keep_last]
        if len(last) == seen.options.keep_last:
            completed = [
                each
                for each in completed
                if last and _age(each) >= _age(last[-1])
            ]
        kept |= {each.id for each in completed}
    return kept


def _is_whole(backup: Backup, backups: Iterable[Backup]) -> bool:
    """Whether it and all that it may need are there, from a full one on."""
    links = [
        backup,
        *(
            each
            for each in backups
            if each.managed
            and each.completed
            and may_depend(backup, each, backups)
        ),
    ]
    if min(links, key=_age).incremental:
        return False
    return all(each.state is State.AVAILABLE for each in links)


# -- when a backup expires ---------------------------------------------------


def has_expired(world: World, backup: Backup, now: datetime.datetime) -> bool:
    """Whether its time is over, whatever else may keep it."""
    expires_at = expiry(world, backup, now)
    return expires_at is not None and expires_at <= now


def expiry(
    world: World, backup: Backup, now: datetime.datetime
) -> datetime.datetime | None:
    """When it expires by all that was observed until ``now``.

    Each expiry that was ever seen holds until shorter ones have been seen
    for the grace: not before then does any of them count. None: its server
    was never read and is not proved gone.
    """
    observed = _of_backup(world, backup, now)
    if not observed:
        return None
    wanted = [_wanted(backup, observed, each) for each in observed]
    if backup.known:
        first = observed[0]
        options = backup.made_under or first.options
        promised = _from_value(backup, backup.promised, [], options)
        observed = [first, *observed]
        wanted = [promised, *wanted]
    until = []
    for number, expires_at in enumerate(wanted):
        if expires_at is None:
            continue
        shorter_since = len(wanted)
        while shorter_since > number + 1 and _is_shorter(
            wanted[shorter_since - 1], expires_at
        ):
            shorter_since -= 1
        # A grace that itself became shorter ends no later than that says.
        graces = [
            each.at + each.options.grace for each in observed[shorter_since:]
        ]
        until.append(min([expires_at, *graces]))
    return max(until, default=None)


def _is_shorter(
    one: datetime.datetime | None, other: datetime.datetime
) -> bool:
    return one is None or one < other


def _wanted(
    backup: Backup, observed: list[Observation], until: Observation
) -> datetime.datetime | None:
    """What expiry one observation asks for, with what was known before."""
    known, value = backup.known, backup.promised
    said: list[str | None] = [value] if known else []
    for each in observed:
        if backup.server_id in each.values:
            known, value = True, _present_value(backup, each)
            said.append(value)
        elif backup.server_id in each.gone and not known:
            known, value = True, None
            said.append(value)
        if each is until:
            break
    if not known:
        return None
    return _from_value(backup, value, said, until.options)


def _present_value(backup: Backup, seen: Observation) -> str | None:
    """The value of its server; of several of its volume the longest."""
    sharing = seen.sharing.get(backup.volume_id, ())
    if backup.server_id not in sharing:
        return seen.values[backup.server_id]
    return max(
        (seen.values[each] for each in sharing if each in seen.values),
        key=lambda value: (_plain(value, seen), value is not None),
    )


_SOME_DAY = datetime.datetime(2000, 1, 1)  # noqa: DTZ001  UTC by rule


def _plain(value: str | None, seen: Observation) -> datetime.datetime:
    """How far a value reaches; the option's where it says nothing."""
    parsed = _read(value) or durations.parse(seen.options.retention_time)
    return durations.after(_SOME_DAY, parsed)


def _from_value(
    backup: Backup,
    value: str | None,
    said: Iterable[str | None],
    options: Options,
) -> datetime.datetime:
    """The expiry that a server's value asks for under some options.

    :param said: all values until then, oldest first. That there is none is
        as good a value as any: what was valid before is forgotten.
    """
    created_at = backup.created_at
    default = durations.parse(options.retention_time)
    expires_at = durations.after(created_at, default)
    own = _read(value)
    if own is not None:
        expires_at = durations.after(created_at, own)
    elif value is not None:
        last_valid = None
        for each in said:
            forgotten = each is None
            last_valid = None if forgotten else _read(each) or last_valid
        if last_valid is not None:
            expires_at = max(
                expires_at, durations.after(created_at, last_valid)
            )
    floor = durations.parse(options.minimum, zero_allowed=True)
    return max(expires_at, durations.after(created_at, floor))


def _read(value: str | None) -> durations.Duration | None:
    if value is None:
        return None
    try:
        return durations.parse(value)
    except errors.InvalidDurationError:
        return None


def _of_backup(
    world: World, backup: Backup, now: datetime.datetime
) -> list[Observation]:
    """The observations that count for a backup."""
    if backup.state is State.CREATING:
        return []
    since = backup.ended_at or backup.created_at
    return [each for each in world.observations if since <= each.at <= now]


def _last(world: World, now: datetime.datetime) -> Observation:
    found = [each for each in world.observations if each.at <= now]
    if not found:
        raise ValueError(f"nothing was observed until {now}")
    return found[-1]
