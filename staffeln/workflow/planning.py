# SPDX-License-Identifier: Apache-2.0
"""From the cloud and the past to a plan, and from a plan to rows.

``staffeln plan`` (the dry run) stops after :func:`draw`; the scheduler
writes what :func:`pages` makes of it. The pasts of volumes are read and judged
some at a time, so that memory does not grow with what is known of them.
"""

from __future__ import annotations

import dataclasses
import datetime
import logging
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from staffeln import ports
from staffeln.domain import (
    model,
    plan,
    protection,
    reasons,
    schedule,
    task,
)
from staffeln.workflow import binding
from staffeln.workflow.harvest import harvest
from staffeln.workflow.settings import Settings

LOG = logging.getLogger(__name__)

T = TypeVar("T")

CANCEL_REASON = "its volume is not to be backed up any more"

PAGE = 500
"""Volumes whose past is read at a time."""

WRITTEN_AT_ONCE = 2000
"""Tasks that one transaction writes: until it has, nobody takes office, and
a cluster has to hand it on to all of its nodes as one."""

MOST_POSTPONED = 20
"""Postponed volumes that a log names."""

MOST_REASONS = 10
"""Different reasons that a log counts, for each thing that was decided."""

MOST_PROBLEMS = 50
"""Lines of a log that one harvest's problems take, at most."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A plan with all that it was drawn from."""

    now: datetime.datetime
    harvested_at: float
    """When the harvest ended, in seconds on this process's monotonic
    clock."""
    inventory: model.Inventory
    plan: plan.Plan
    protection: protection.Protection
    """How the volumes are protected, as the plan found them."""
    records: Sequence[model.VolumeRecord]
    """What is to be remembered of volumes from now on, where it changes."""
    brakes: Sequence[model.Brake]
    """What an operator has paused: it is planned, and waits."""
    overdue: Sequence[task.Task] = ()
    """Timed out, but Cinder goes on: each keeps a seat from the others."""
    service_up: bool = True
    """Whether any cinder-backup service can work."""
    last_selected: int | None = None
    """How many volumes the last complete harvest selected."""


def draw(
    store: ports.Store,
    cloud: ports.Cloud,
    settings: Settings,
    *,
    bind: bool = True,
    thorough: bool = False,
    ahead: datetime.timedelta = datetime.timedelta(),
    go_on: Callable[[], None] = lambda: None,
    known_gone: set[str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Drawn:
    """Harvest and decide; writes nothing but the binding of a new database.

    :param bind: False leaves a new database unbound.
    :param thorough: read all attachments, as retention does.
    :param ahead: what is due by then counts in the forecast as well.
    :param go_on: called with each page of what is read; what it raises ends
        it.
    :param known_gone: servers that this process has proved gone.
    :param clock: monotonic, in seconds.
    :raises CloudError: the cloud could not be asked at all.
    :raises WrongCloudError: the database belongs to another cloud.
    """
    deployment, services = binding.prove(cloud, store, bind=bind)
    service_up = any(each.enabled and each.up for each in services)
    if not service_up:
        LOG.error("No cinder-backup service is up: all backups wait")
    inventory = harvest(
        cloud,
        settings.rule,
        deployment.selected_volumes,
        go_on,
        now=store.now(),
        known_gone=known_gone,
        thorough=thorough,
    )
    harvested_at = clock()
    now = store.now()
    records: list[model.VolumeRecord] = []
    judging = protection.Judging(
        inventory,
        settings.policy,
        settings.protection,
        now,
        until=now + ahead,
    )

    chains_until = schedule.last_success_if_due(settings.policy, now + ahead)

    def decide() -> Iterator[plan.VolumeDecision]:
        for candidate, history in _with_past(
            store, inventory, chains_until, go_on
        ):
            decision = plan.decide(
                candidate, history, settings.policy, now, service_up=service_up
            )
            judging.look(decision, history)
            records.extend(_records(decision, history, now))
            yield decision

    return Drawn(
        now=now,
        harvested_at=harvested_at,
        inventory=inventory,
        plan=plan.make(
            list(decide()),
            inventory,
            store.planned_backups(),
            store.queued(now),
        ),
        protection=judging.found(),
        records=records,
        brakes=store.brakes(),
        overdue=store.overdue(),
        service_up=service_up,
        last_selected=deployment.selected_volumes,
    )


def _with_past(
    store: ports.Store,
    inventory: model.Inventory,
    chains_until: datetime.datetime | None,
    go_on: Callable[[], None],
) -> Iterator[tuple[model.Candidate, model.History]]:
    """All candidates, each with what is known of it.

    :param chains_until: of those whose last success was later nobody asks
        for the chain: in most cycles that is nearly all of them.
    """
    nothing = model.History()
    for start in range(0, len(inventory.candidates), PAGE):
        go_on()
        page = inventory.candidates[start : start + PAGE]
        ids = [each.volume.id for each in page]
        histories = store.histories(ids, chains_until)
        for candidate in page:
            yield candidate, histories.get(candidate.volume.id, nothing)


def pages(drawn: Drawn) -> Iterator[ports.PlanRecord]:
    """What is written of a plan, each part in one transaction; often nothing.

    Cancellations come first, and the tasks in their order of work, so that a
    scheduler that dies in between has planned what is most urgent: the next
    cycle finds the rest still due and plans it behind.
    """
    for cancelled in _parts(drawn.plan.cancelled):
        yield ports.PlanRecord(
            cancelled=cancelled, cancel_reason=CANCEL_REASON
        )
    for records in _parts(drawn.records):
        yield ports.PlanRecord(records=records)
    to_write = [
        decision
        for decision in drawn.plan.decisions
        if decision.what in (plan.What.BACK_UP, plan.What.FAIL)
    ]
    for decisions in _parts(to_write):
        yield ports.PlanRecord(
            tasks=[_backup_task(each, drawn.now) for each in decisions]
        )
    selected = len(drawn.inventory.candidates)
    # Last: a harvest that showed too little is told of until all is written.
    if drawn.inventory.lists_complete and selected != drawn.last_selected:
        yield ports.PlanRecord(selected_volumes=selected)


def _parts(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), WRITTEN_AT_ONCE):
        yield things[start : start + WRITTEN_AT_ONCE]


def removal(
    backup: model.Backup,
    now: datetime.datetime,
    cause: task.Cause,
    why: str,
    *,
    waits_for: str | None = None,
    rank: int = 0,
) -> task.Task:
    """The task that deletes a backup from Cinder."""
    return task.Task(
        id=str(uuid.uuid4()),
        kind=task.Kind.DELETE,
        state=task.State.PLANNED,
        project_id=backup.project_id,
        volume_id=backup.volume_id,
        volume_name=backup.volume_name,
        volume_size=backup.size,
        server_id=backup.server_id,
        server_name=backup.server_name,
        backup_id=backup.id,
        cause=cause,
        waits_for=waits_for,
        rank=rank,
        reason=why,
        created_at=now,
        updated_at=now,
    )


def unwanted(backup: model.Backup, now: datetime.datetime) -> task.Task:
    """The task that removes an unwanted backup from Cinder."""
    return removal(
        backup,
        now,
        task.Cause.UNWANTED,
        f"to be removed: {backup.reason or 'unwanted'}",
    )


def _backup_task(
    decision: plan.VolumeDecision, now: datetime.datetime
) -> task.Task:
    volume = decision.candidate.volume
    failed = decision.what is plan.What.FAIL
    return task.Task(
        id=str(uuid.uuid4()),
        kind=task.Kind.BACKUP,
        state=task.State.FAILED if failed else task.State.PLANNED,
        project_id=volume.project_id,
        volume_id=volume.id,
        volume_name=volume.name,
        volume_size=volume.size,
        volume_status=volume.status,
        server_id=decision.candidate.server_id,
        server_name=decision.candidate.server_name,
        retention=decision.candidate.retention,
        mode=decision.mode,
        rank=decision.rank,
        reason=decision.why,
        created_at=now,
        updated_at=now,
        finished_at=now if failed else None,
    )


def _records(
    decision: plan.VolumeDecision,
    history: model.History,
    now: datetime.datetime,
) -> Iterator[model.VolumeRecord]:
    """What to remember of a volume, if this cycle changes it."""
    changes: dict[str, Any] = {}
    if decision.postponed_since == now:
        changes["postponed_since"] = now
    if history.record and history.record.dropped_since is not None:
        changes.update(dropped_since=None, dropped_why="")
    if changes:
        volume = decision.candidate.volume
        kept = history.record or model.VolumeRecord(
            volume_id=volume.id, project_id=volume.project_id
        )
        yield dataclasses.replace(kept, **changes)


def overdue_in_words(overdue: Sequence[task.Task]) -> str:
    """What keeps seats from other backups, and what helps."""
    ids = ", ".join(str(work.backup_id) for work in overdue[:MOST_POSTPONED])
    more = len(overdue) - MOST_POSTPONED
    return (
        f"{len(overdue)} backup(s) that timed out are still creating in "
        "Cinder and count as running; a restart of cinder-backup ends them: "
        + ids
        + (f" and {more} more" if more > 0 else "")
    )


def tell(drawn: Drawn, seconds: float) -> None:
    """The lines of the log that say what a cycle decided."""
    inventory = drawn.inventory
    for problem in inventory.problems[:MOST_PROBLEMS]:
        LOG.warning("Harvest: %s", problem)
    more = len(inventory.problems) - MOST_PROBLEMS
    if more > 0:
        LOG.warning("Harvest: %d more problems like these", more)
    LOG.info(
        "Harvest %s: %d of %d servers selected, %d volumes to protect%s",
        "complete" if inventory.complete else "INCOMPLETE",
        inventory.servers_selected,
        inventory.servers_seen,
        len(inventory.candidates),
        f", {inventory.opted_out} opted out" if inventory.opted_out else "",
    )
    counts = Counter(each.what for each in drawn.plan.decisions)
    modes = Counter(each.mode for each in drawn.plan.of(plan.What.BACK_UP))
    LOG.info(
        "Plan in %.1f s: %d to back up (%d full, %d incremental), %d failed "
        "at once, %d postponed, %d not due, %d cancelled",
        seconds,
        counts[plan.What.BACK_UP],
        modes[task.Mode.FULL],
        modes[task.Mode.INCREMENTAL],
        counts[plan.What.FAIL],
        counts[plan.What.POSTPONE],
        counts[plan.What.SKIP],
        len(drawn.plan.cancelled),
    )
    for what in plan.What:
        if decided := drawn.plan.of(what):
            LOG.info(
                "Reasons to %s: %s",
                what,
                reasons.counted((each.why for each in decided), MOST_REASONS),
            )
    for brake in drawn.brakes:
        LOG.warning("Paused: %s", brake.in_words())
    if drawn.overdue:
        LOG.error("%s", overdue_in_words(drawn.overdue))
    postponed = drawn.plan.of(plan.What.POSTPONE)
    for decision in postponed[:MOST_POSTPONED]:
        LOG.info(
            "Volume %s postponed: %s",
            decision.candidate.volume.id,
            decision.why,
        )
    more = len(postponed) - MOST_POSTPONED
    if more > 0:
        LOG.info("%d more volumes postponed; staffeln plan names them", more)
    for decision in drawn.plan.of(plan.What.SKIP):
        LOG.debug(
            "Volume %s not due: %s", decision.candidate.volume.id, decision.why
        )
