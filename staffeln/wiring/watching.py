# SPDX-License-Identifier: Apache-2.0
"""Who is told what a conductor does: metrics, bus, dead man's switch."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from oslo_config import cfg

from staffeln import ports

if TYPE_CHECKING:
    from staffeln.cloud.wire import Observe
    from staffeln.conductor.rounds import Aside


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Watchers:
    """Who is told what a conductor does."""

    observer: ports.Observer
    asides: Sequence[Aside]
    called: Observe | None
    """Told of each call of OpenStack."""
    count: Callable[[], int] | None
    """Counts what the database holds."""


def build(
    conf: cfg.ConfigOpts,
    office: ports.Leadership,
    database: ports.Store,
    deployment_uuid: str,
) -> Watchers:
    """Metrics, message bus and dead man's switch, as far as configured."""
    from staffeln.metrics.conductor import ConductorMetrics, Watch
    from staffeln.workflow.observing import Observers

    group = conf.metrics
    metrics = ConductorMetrics(
        office.held,
        periods={
            "cycle": conf.conductor.backup_service_period,
            "retention": conf.conductor.retention_service_period,
            "census": group.census_period,
        },
    )
    observers: list[ports.Observer] = [metrics]
    asides: list[Aside] = []
    if group.enabled:
        from staffeln.metrics.exporter import Exporter

        asides.append(Exporter(group.host, group.port, metrics.render))
    if has_bus(conf):
        from staffeln.notify import messaging

        bus = messaging.connect(
            conf, socket.gethostname(), deployment_uuid, metrics.notified
        )
        observers.append(bus)
        asides.append(bus)
    if conf.notification.heartbeat_url:
        from staffeln.notify.heartbeat import Heartbeat

        beat = Heartbeat(
            conf.notification.heartbeat_url, metrics.heartbeat_called
        )
        observers.append(beat)
        asides.append(beat)
    watch = Watch(database, metrics, group.project_series)
    return Watchers(
        observer=Observers(observers),
        asides=asides,
        called=metrics.called,
        count=watch.look if group.enabled else None,
    )


def has_bus(conf: cfg.ConfigOpts) -> bool:
    """Whether somebody wants notifications on the message bus.

    Looked up in the files: who does not want them loads nothing of
    oslo.messaging, which alone knows the option.
    """
    from staffeln.conf import files

    group, name = "oslo_messaging_notifications", "driver"
    return bool(os.environ.get(f"OS_{group}__{name}".upper())) or any(
        (line.group, line.name) == (group, name) and line.text.strip()
        for line in files.lines(conf)
    )


def check_bus(conf: cfg.ConfigOpts) -> None:
    """Whether the message bus can be one; nothing is asked.

    :raises ConfigurationError: it cannot.
    """
    if has_bus(conf):
        from staffeln.notify import messaging

        messaging.check(conf)
