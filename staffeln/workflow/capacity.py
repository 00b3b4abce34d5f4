# SPDX-License-Identifier: Apache-2.0
"""How much the cloud's backup services may have to do at once."""

from __future__ import annotations

import datetime
import logging

from staffeln import ports
from staffeln.domain import errors
from staffeln.workflow.settings import Settings

LOG = logging.getLogger(__name__)

PER_SERVICE = 8
"""Half of what one cinder-backup runs; the rest is left for restores."""

DELETES_PER_SERVICE = 4
"""Deletes are short: these keep a service busy and leave it room."""


class Capacity:
    """The limits that claims obey, as the cloud is at this moment."""

    def __init__(self, engine: ports.Engine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._services = 0
        self._asked_at: datetime.datetime | None = None

    def throttle(self, now: datetime.datetime) -> ports.Throttle | None:
        """How many may run; None: nothing can be made at this moment.

        The cloud is asked at most once in a poll period.
        """
        services = self._count(now)
        if not services:
            return None
        limit = self._settings.max_running_backups
        if limit is None:
            limit = PER_SERVICE * services
        return ports.Throttle(
            running=limit,
            per_project=self._settings.max_running_backups_per_project,
        )

    def throttle_deletes(
        self, now: datetime.datetime
    ) -> ports.Throttle | None:
        """How many deletes may run; None: nobody could carry one out."""
        services = self._count(now)
        if not services:
            return None
        limit = self._settings.max_running_deletes
        if limit is None:
            limit = DELETES_PER_SERVICE * services
        return ports.Throttle(running=limit)

    def _count(self, now: datetime.datetime) -> int:
        """How many services are up; asked at most once in a poll period."""
        period = self._settings.task_poll_period
        asked_at = self._asked_at
        if asked_at is None or not asked_at <= now < asked_at + period:
            self._asked_at = now
            self._ask()
        return self._services

    def _ask(self) -> None:
        """Count the services that are up; a change of that is told."""
        before = self._services
        try:
            self._services = self._engine.services_up()
        except errors.CloudError as error:
            # What is planned waits: starting it would fail as well.
            self._services = 0
            LOG.warning("Backup services cannot be asked for: %s", error)
            return
        if before and not self._services:
            LOG.error("No cinder-backup service is up: all its work waits")
        elif self._services and not before:
            LOG.info("Backup services up: %d", self._services)
