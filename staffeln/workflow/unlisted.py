# SPDX-License-Identifier: Apache-2.0
"""Servers that an expiry depends on and no list showed: asked one by one."""

from __future__ import annotations

import datetime
import logging
import uuid

from staffeln import ports
from staffeln.domain import durations, errors, model, retention, selection
from staffeln.workflow import witness
from staffeln.workflow.settings import Settings

LOG = logging.getLogger(__name__)

PAGE = 500
"""Rows that are read at a time."""

MOST_SERVERS_ASKED = 500
"""Servers that one round asks for one by one; the next asks for others."""

MOST_FAILED = 20
"""Servers that could not be read, until a round asks for no more."""


class UnlistedServers:
    """What they say in one round of retention."""

    def __init__(
        self,
        store: ports.Store,
        cloud: ports.Cloud,
        settings: Settings,
        inventory: model.Inventory,
        now: datetime.datetime,
        known_gone: set[str] | None,
    ) -> None:
        """:param known_gone: servers that this process has proved gone.

        None: nobody remembers.
        """
        self._store = store
        self._cloud = cloud
        self._selecting = settings.rule
        self._policy = settings.retention
        self._inventory = inventory
        self._now = now
        self._known_gone = set() if known_gone is None else known_gone
        self._asked: dict[str, retention.Reading | None] = {}
        """Servers that were asked for one by one; GONE: proved gone; None:
        not read."""
        self._failed = 0
        """How many of them could not be read for an error."""

    def reading(self, server_id: str) -> retention.Reading | None:
        """What a server says; GONE: proved gone; None: nobody knows."""
        return self._asked.get(server_id)

    def ask_for_all(self) -> int:
        """Ask for those that the expiry of a backup depends on.

        Only that of one whose server was never read does. Where the
        servers of all projects could not be listed nobody is asked: a 404
        might only say that we may not see the server.

        :returns: how many were asked for.
        """
        if not self._inventory.lists_complete:
            return 0
        # From somewhere: what cannot be read must not keep the same others
        # from being asked for in each round.
        start = str(uuid.uuid4())
        self._ask_for_those_after(start)
        self._ask_for_those_after("")
        self._prove_gone()
        return len(self._asked)

    def _ask_for_those_after(self, after: str) -> None:
        oldest = durations.before(self._now, self._policy.retention_time)
        while self._asks_on:
            page = self._store.undated(oldest, after, PAGE)
            for row in page:
                self._ask_for(row.server_id)
            if len(page) < PAGE:
                return
            after = page[-1].id

    @property
    def _asks_on(self) -> bool:
        return (
            len(self._asked) < MOST_SERVERS_ASKED
            and self._failed < MOST_FAILED
        )

    def _ask_for(self, server_id: str) -> None:
        known = (
            server_id in self._inventory.servers or server_id in self._asked
        )
        if known or not self._asks_on:
            return
        if not server_id or server_id in self._known_gone:
            # Without an id nobody knows whose it was: there is nothing to
            # wait for.
            self._asked[server_id] = retention.GONE
            return
        self._asked[server_id] = self._ask(server_id)

    def _ask(self, server_id: str) -> retention.Reading | None:
        """What a server says; None: it could not be read."""
        try:
            server = self._cloud.server(server_id)
        except errors.NotFoundError:
            return retention.GONE
        except errors.CloudError as error:
            self._failed += 1
            LOG.warning("Retention: server %s not read: %s", server_id, error)
            if self._failed >= MOST_FAILED:
                LOG.warning(
                    "Retention: %d servers could not be read; this round "
                    "asks for no more, and their backups do not expire",
                    self._failed,
                )
            return None
        if not server.readable:
            return None
        return retention.Reading(
            selection.own_retention(self._selecting, server)
        )

    def _prove_gone(self) -> None:
        """Remember who is gone, and take back what may only be hidden."""
        gone = {
            server_id
            for server_id, found in self._asked.items()
            if found is retention.GONE and server_id
        }
        if gone <= self._known_gone:
            return
        try:
            witness.prove_a_404(self._cloud, self._inventory.witnesses)
        except errors.CloudError as error:
            LOG.warning(
                "Retention: servers that Nova does not know may be there: %s",
                error,
            )
            self._asked.update(dict.fromkeys(gone - self._known_gone))
        else:
            self._known_gone |= gone
