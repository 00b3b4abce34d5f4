# SPDX-License-Identifier: Apache-2.0
"""The tasks of conductors that died or stopped go on with the living."""

from __future__ import annotations

import datetime
import logging

from staffeln import ports
from staffeln.domain import task
from staffeln.workflow import record

LOG = logging.getLogger(__name__)


def rescue(
    store: ports.Store,
    recorder: record.Recorder,
    heartbeat_timeout: datetime.timedelta,
    now: datetime.datetime,
) -> int:
    """Bring the tasks of silent conductors back to life.

    A conductor is dead when its heartbeat is older than the timeout, on
    the database's clock, or when it has no row any more. Its claimed tasks
    are planned again; started ones get this conductor as their holder,
    which looks for what their attempts made before it does anything else.

    :returns: how many tasks were rescued.
    """
    # In this order: who holds a task was registered before it claimed it.
    holders = store.holders()
    conductors = store.conductors()
    alive = {
        each.id
        for each in conductors
        if each.id == recorder.conductor_id
        or now - each.heartbeat_at < heartbeat_timeout
    }
    dead = sorted(holders - alive - {recorder.conductor_id})
    rescued = 0
    for conductor_id in dead:
        rescued += _rescue_from(store, recorder, conductor_id, now)
    for each in conductors:
        if each.id not in alive:
            LOG.warning(
                "Conductor %s on %s is silent since %s: its tasks go to "
                "the others",
                each.id,
                each.host,
                each.heartbeat_at.isoformat(" ", "seconds"),
            )
            store.unregister_conductor(each.id)
    return rescued


def _rescue_from(
    store: ports.Store,
    recorder: record.Recorder,
    conductor_id: str,
    now: datetime.datetime,
) -> int:
    held = store.tasks(states=task.HELD, claimed_by=[conductor_id])
    reason = f"its conductor {conductor_id} is gone"
    back = [
        recorder.move(work, task.State.PLANNED, now, reason)
        for work in held
        if work.state is task.State.CLAIMED
    ]
    taken = store.take_over(
        [work for work in held if work.state is not task.State.CLAIMED],
        recorder.conductor_id,
        now,
        reason,
    )
    for work in taken:
        record.tell(work.state, work)
    return len(taken) + sum(work is not None for work in back)
