# SPDX-License-Identifier: Apache-2.0
"""The doors to the outside: cloud, database, leadership, engines."""

from __future__ import annotations

import dataclasses
import threading
from typing import TYPE_CHECKING

from oslo_config import cfg

from staffeln import ports
from staffeln.wiring import settings

if TYPE_CHECKING:
    from staffeln.cloud.openstack import OpenStackCloud
    from staffeln.cloud.wire import Observe
    from staffeln.db.store import SqlStore


CONNECTIONS_OF_LOOPS = 8
"""Connections to one service for all that is no start and no delete."""


def cloud(
    conf: cfg.ConfigOpts,
    stop: threading.Event | None = None,
    *,
    patient: bool = True,
    observe: Observe | None = None,
    longest: float | None = None,
) -> OpenStackCloud:
    """The door to OpenStack; nothing is asked yet.

    :param stop: set when the process is to end: no waiting any more.
    :param patient: try calls again, within ``retry_timeout``.
    :param observe: told of each call.
    :param longest: seconds that each step of a call may take, where the
        options would allow for more.
    :raises ConfigurationError: no credentials, or ones that cannot work.
    """
    from staffeln.cloud import options
    from staffeln.cloud.openstack import OpenStackCloud

    found = dataclasses.replace(
        options.cloud_settings(conf),
        # A conductor that is silent for longer is taken for dead: whoever
        # has its task then must not find a late create call of ours.
        create_retry_timeout=(
            conf.conductor.heartbeat_timeout.fixed.total_seconds()
        ),
        connections=(
            conf.conductor.backup_workers
            + conf.conductor.rotation_workers
            + CONNECTIONS_OF_LOOPS
        ),
    )
    if not patient:
        found = dataclasses.replace(found, retry_timeout=0)
    if longest is not None:
        found = dataclasses.replace(
            found,
            connect_timeout=min(found.connect_timeout, longest),
            read_timeout=min(found.read_timeout, longest),
        )
    return OpenStackCloud(found, stop=stop, observe=observe)


def store(conf: cfg.ConfigOpts) -> SqlStore:
    """The database, connected; whoever asks for it closes it.

    :raises ConfigurationError: the URL is none.
    :raises StoreError: it does not answer.
    :raises SchemaError: it has not the schema of this release.
    """
    from staffeln.db import migration, session
    from staffeln.db.store import SqlStore

    database = session.connect(conf)
    try:
        migration.check(database)
    except BaseException:
        database.close()
        raise
    return SqlStore(database)


def engine(door: ports.Cloud) -> ports.Engine:
    """What makes and removes backups."""
    from staffeln.engines.cinder import CinderEngine

    return CinderEngine(door)


def leadership(conf: cfg.ConfigOpts, holder: str) -> ports.Leadership:
    """The office of scheduler, not held yet.

    :param holder: the conductor's id.
    :raises ConfigurationError: the backend cannot be used.
    """
    from staffeln import leadership as room

    return room.connect(settings.leadership(conf), holder)
