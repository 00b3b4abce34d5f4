# SPDX-License-Identifier: Apache-2.0
"""What the next round of retention would do, backup by backup."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
from collections.abc import Callable, Iterable, Iterator

from staffeln import ports
from staffeln.cli.intentions import MODES, Action, Intention
from staffeln.domain import breaker, deletion, model, task
from staffeln.workflow.clocks import Clocks
from staffeln.workflow.outlook import Judged, Outlook
from staffeln.workflow.settings import Settings


@dataclasses.dataclass(slots=True)
class Found:
    """What a dry run of retention comes to."""

    intentions: list[Intention] = dataclasses.field(default_factory=list)
    to_delete: int = 0
    """Backups that would get a delete task."""
    kept: int = 0
    """Backups that stay though their time is over."""
    is_all: bool = True
    """Whether all volumes were looked at."""


def look(
    outlook: Outlook,
    store: ports.Store,
    removals: Iterable[Intention],
    parsed_args: argparse.Namespace,
) -> Found:
    """Judge what is due.

    What stays is shown only where it is asked for: there is much of it.

    :param removals: what is deleted for another reason than its age.
    """
    found = Found(intentions=list(removals), is_all=parsed_args.volume is None)
    found.to_delete = len(found.intentions)
    outlook.ask_for_servers()
    now = store.now()
    everything = Action.KEEP in (parsed_args.action or ())
    for page in _volumes(outlook, everything, parsed_args.volume):
        for judged in outlook.judge(page):
            found.to_delete += len(judged.to_delete)
            found.kept += _kept_though_expired(judged, now)
            found.intentions += _of_volume(
                judged, everything or parsed_args.volume is not None
            )
    return found


def _kept_though_expired(judged: Judged, now: datetime.datetime) -> int:
    return sum(
        each.what is deletion.What.KEEP
        and each.backup.expires_at is not None
        and each.backup.expires_at <= now
        for each in judged.verdicts
    )


def _volumes(
    outlook: Outlook, everything: bool, volume_id: str | None
) -> Iterator[list[str]]:
    if volume_id is not None:
        yield [volume_id]
    elif everything:
        yield from outlook.all_volumes()
    else:
        seen: set[str] = set()
        for page in outlook.due():
            seen.update(page)
            yield page
        for changed in outlook.unsettled():
            new = {row.volume_id for row in changed} - seen
            seen |= new
            yield sorted(new)


def _of_volume(judged: Judged, everything: bool) -> Iterator[Intention]:
    for each in judged.verdicts:
        row = each.backup
        work = judged.removing.get(row.id)
        if work is not None:
            yield _intention(Action.DELETE, row, _under_way(work))
        elif each.what is deletion.What.DELETE:
            yield _intention(Action.DELETE, row, _planned(each))
        elif each.what is deletion.What.KEEP and everything:
            yield _intention(Action.KEEP, row, each.why)


def _under_way(work: task.Task) -> str:
    if work.state is not task.State.PLANNED:
        return f"{work.state}: {work.reason}"
    if work.waits_for:
        return f"{work.reason}; after backup {work.waits_for} is gone"
    return work.reason


def _planned(verdict: deletion.Verdict) -> str:
    if verdict.waits_for:
        return f"{verdict.why}; after backup {verdict.waits_for} is gone"
    return verdict.why


def _intention(action: Action, row: model.Backup, reason: str) -> Intention:
    return Intention(
        action=action,
        mode=MODES[row.incremental],
        volume_id=row.volume_id,
        volume_name=row.volume_name,
        project_id=row.project_id,
        server_id=row.server_id,
        server_name=row.server_name,
        size=row.size,
        backup_id=row.id,
        expires_at=row.expires_at,
        reason=reason,
    )


def against(
    found: Found,
    inventory: model.Inventory,
    store: ports.Store,
    cloud: ports.Cloud,
    settings: Settings,
    host_time: Callable[[], datetime.datetime],
) -> Iterator[str]:
    """Why a round would not do what the table shows, a line each."""
    apart = Clocks(
        store, cloud.time, settings.clock_tolerance, host_time
    ).apart()
    if apart:
        yield f"Nothing would be deleted: {apart}."
    if not inventory.complete:
        yield "Nothing would expire: the harvest is incomplete."
    waiting = store.breaker()
    if not found.is_all:
        # What one volume would lose says nothing of the size of a round.
        if waiting is not None and waiting.confirmed_at is None:
            yield f"Nothing would be deleted: {waiting.in_words()}."
        return
    total = store.count_managed()
    if breaker.is_too_large(found.to_delete, total, settings.retention):
        if breaker.is_confirmed(waiting, found.to_delete, store.now()):
            yield "So many deletes in one round were confirmed."
        else:
            yield (
                f"Nothing would be deleted: {found.to_delete} of {total} "
                "managed backups are more than one round may remove; "
                "staffeln retention confirm lets it happen."
            )
