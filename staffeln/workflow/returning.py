# SPDX-License-Identifier: Apache-2.0
"""Rows that come to count, and deletes that were planned without them.

What is adopted or had vanished may depend on backups that are to go, for
nothing else seemed to. Cinder would not refuse each of those deletes: to an
imported record as many depend as when it was exported.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from staffeln import ports
from staffeln.domain import model, task
from staffeln.workflow.outlook import MOST_WRITTEN
from staffeln.workflow.retain import POSTPONED
from staffeln.workflow.writer import Writer

WITHDRAWN = "a later backup of its volume counts now, and may depend on it"


def write(
    store: ports.Store, writer: Writer, plan: ports.PlanRecord
) -> list[task.Task]:
    """Write adopted and returned rows; no delete goes on without them.

    The next round of retention looks at all of the volume, and plans anew
    what may go all the same. A delete that was tried before is put off until
    then: only Cinder can tell what became of it.

    :raises OvertakenError: another scheduler took office.
    """
    with writer.deciding:
        planned = _planned_without(store, [*plan.adopted, *plan.returned])
        # Before the rows: whoever is interrupted has kept too much.
        for start in range(0, len(planned), MOST_WRITTEN):
            _withdraw(writer, planned[start : start + MOST_WRITTEN], store)
        return writer.write(plan)


def _withdraw(
    writer: Writer, planned: Sequence[task.Task], store: ports.Store
) -> None:
    writer.write(
        ports.PlanRecord(
            cancelled=[each.id for each in planned if not each.attempt],
            cancel_reason=WITHDRAWN,
            postponed=[each.id for each in planned if each.attempt],
            postponed_until=store.now() + POSTPONED,
        )
    )


def _planned_without(
    store: ports.Store, coming: Sequence[model.Backup]
) -> list[task.Task]:
    """Deletes, not begun, of what expired and is no newer than these."""
    newest: dict[tuple[str, str], datetime.datetime] = {}
    for row in coming:
        chain = row.project_id, row.volume_id
        newest[chain] = max(newest.get(chain, row.created_at), row.created_at)
    expiring = {row.volume_id for row in coming}.intersection(
        store.expiring_volumes()
    )
    older = [
        row
        for rows in store.backups_of_volumes(expiring).values()
        for row in rows
        if (last := newest.get((row.project_id, row.volume_id)))
        and row.created_at <= last
    ]
    return [
        work
        for work in store.live_tasks(
            [task.delete_slot(row.id) for row in older]
        )
        if work.state is task.State.PLANNED
        and work.cause is task.Cause.EXPIRED
    ]
