# SPDX-License-Identifier: Apache-2.0
"""All that a simulated cloud knows, put together once."""

from __future__ import annotations

import time

from benchmarks.cloud.behaviour import Behaviour
from benchmarks.cloud.copies import Backups
from benchmarks.cloud.counters import Counts
from benchmarks.cloud.keystone import Keystone
from benchmarks.cloud.making import Making
from benchmarks.cloud.people import People
from benchmarks.cloud.scenery import Shape
from benchmarks.cloud.things import Servers, Volumes

PASSWORD = "simulated-secret"  # nosec B105 - of a cloud that is none
"""Every user's."""
REGION = "RegionOne"


class State:
    """What is in the cloud, how it behaves, and what it was asked.

    :param url: scheme, host and port of all services.
    """

    def __init__(self, shape: Shape, behaviour: Behaviour, url: str) -> None:
        self.shape = shape
        self.behaviour = behaviour
        self.url = url
        self.counts = Counts()
        self.people = People(shape)
        self.servers = Servers(shape)
        self.volumes = Volumes(shape)
        self.backups = Backups(shape)
        self.making = Making(
            shape,
            self.volumes,
            self.backups,
            lambda: self.behaviour,
            self.clock,
        )
        self.keystone = Keystone(
            self.people,
            url,
            REGION,
            PASSWORD,
            lambda: self.behaviour,
            self.clock,
            self._count_token,
        )

    def clock(self) -> float:
        """The cloud's clock, in seconds since the epoch."""
        return time.time() + self.behaviour.clock_ahead

    def page_limit(self) -> int:
        """Rows of the largest page at this moment."""
        return self.behaviour.page_limit or self.shape.page_limit

    def _count_token(self, project_id: str) -> None:
        self.counts.tokens[project_id] += 1
