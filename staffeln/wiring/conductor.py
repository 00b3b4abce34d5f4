# SPDX-License-Identifier: Apache-2.0
"""A conductor, from its configuration to its end."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import socket
import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from oslo_config import cfg

from staffeln import ports
from staffeln.domain import errors, model
from staffeln.wiring import doors, press, settings, watching

if TYPE_CHECKING:
    from staffeln.conductor.life import Build
    from staffeln.conductor.rounds import Parts

LOG = logging.getLogger(__name__)

_LONGEST_DESCRIPTION = 255


def run(load: Callable[[], cfg.ConfigOpts]) -> int:
    """Run a conductor until it is told to stop; returns the exit code.

    :param load: reads the configuration; called again on SIGHUP.
    :raises StaffelnError: one line that says why it cannot start.
    """
    from staffeln.conductor import service
    from staffeln.conf import Rereadable, logs

    conf = Rereadable(load, _check_doors)
    logs.begin(conf.now)
    try:
        return service.run(conf, check, build)
    except errors.StaffelnError as error:
        if logs.goes_elsewhere(conf.now):
            LOG.critical("The conductor cannot start: %s", error)
        raise


def _check_doors(conf: cfg.ConfigOpts) -> None:
    """Whether credentials and the database's URL can be used at all.

    Nothing is asked: SIGHUP must not wait, and a conductor that works must
    not be ended for values that cannot.

    :raises StaffelnError: they cannot; says why.
    """
    from staffeln import leadership as room
    from staffeln.db import drivers, urls

    doors.cloud(conf)
    press.mailer(conf)
    watching.check_bus(conf)
    drivers.check(urls.check(conf))
    room.check(settings.leadership(conf))


def check(conf: cfg.ConfigOpts) -> None:
    """Look at all that would keep a conductor from working; keep nothing.

    :raises StaffelnError: what is wrong, in one line.
    """
    door = doors.cloud(conf, patient=False)
    press.check_mail(conf)
    watching.check_bus(conf)
    with contextlib.ExitStack() as opened:
        _probe_leadership(conf)
        database = doors.store(conf)
        opened.callback(database.close)
        _prove(conf, door, database)


def _probe_leadership(conf: cfg.ConfigOpts) -> None:
    """A backend that is away keeps no conductor from working."""
    from staffeln import leadership as room

    chosen = settings.leadership(conf)
    if (why_not := room.warning(chosen)) is not None:
        LOG.warning("[coordination] backend_url: %s", why_not)
    try:
        room.probe(chosen)
    except errors.CoordinationError as error:
        LOG.warning("Coordination: %s", error)


def build(conf: cfg.ConfigOpts) -> Build:
    """What puts a conductor together, to be called in its own process."""
    return lambda stop, wake: _connect(conf, stop, wake)


def _connect(
    conf: cfg.ConfigOpts, stop: threading.Event, wake: Callable[[], None]
) -> Parts:
    """One conductor, connected; on a failure nothing stays open."""
    from staffeln.conductor import story
    from staffeln.conductor.rounds import Parts
    from staffeln.leadership.holding import boot_time
    from staffeln.workflow.cycle import Scheduler, Worker
    from staffeln.workflow.observing import Observers
    from staffeln.workflow.tally import Tally

    with contextlib.ExitStack() as opened:
        database = doors.store(conf)
        opened.callback(database.close)
        proof = _prove(conf, doors.cloud(conf, stop, patient=False), database)
        conductor_id = str(uuid.uuid4())
        office = doors.leadership(conf, conductor_id)
        opened.callback(office.close)
        story.tell(
            settings.selection_rule(conf),
            database.description,
            office.description,
            *proof,
        )
        watchers = watching.build(conf, office, database, proof[0].uuid)
        tally = Tally()
        observer = Observers((watchers.observer, tally))
        door = doors.cloud(conf, stop, observe=watchers.called)
        obeyed = settings.workflow(conf)
        reports = press.build(conf)
        me = _myself(conductor_id, office, database)
        parts = Parts(
            me=me,
            store=database,
            leadership=office,
            scheduler=Scheduler(
                database,
                door,
                obeyed,
                me.id,
                held=office.held,
                observer=observer,
                press=reports,
                stopping=stop.is_set,
                tally=tally,
            ),
            worker=Worker(
                database,
                doors.engine(door),
                obeyed,
                proof[0].uuid,
                me.id,
                wake,
                boot_time,
                observer=observer,
            ),
            rhythm=settings.rhythm(conf),
            close=database.close,
            count=watchers.count,
            asides=watchers.asides,
            cut_short=reports.mailer.close if reports.mailer else _nothing,
        )
        opened.pop_all()
        return parts


def _nothing() -> None:
    """Nothing waits for anybody."""


def _prove(
    conf: cfg.ConfigOpts, door: ports.Cloud, database: ports.Store
) -> tuple[model.Deployment, list[model.BackupService]]:
    """Prove that the database is this cloud's, and that it may be used."""
    from staffeln.conductor import preflight
    from staffeln.workflow import binding

    preflight.check_adopted(
        database.deployment(),
        backup_key_is_set=settings.backup_key_is_set(conf),
    )
    return binding.prove(door, database)


def _storable(description: str) -> str:
    """What a row has room for, and still another one for each backend."""
    if len(description) <= _LONGEST_DESCRIPTION:
        return description
    digest = hashlib.sha256(description.encode()).hexdigest()[:16]
    return f"{description[: _LONGEST_DESCRIPTION - 20]}... {digest}"


def _myself(
    conductor_id: str, office: ports.Leadership, database: ports.Store
) -> ports.Conductor:
    now = database.now()
    return ports.Conductor(
        id=conductor_id,
        host=socket.gethostname(),
        pid=os.getpid(),
        backend=_storable(office.description),
        started_at=now,
        heartbeat_at=now,
    )
