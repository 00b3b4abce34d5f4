# SPDX-License-Identifier: Apache-2.0
"""Servers and volumes: those of the shape, and what has changed since."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from benchmarks.cloud.scenery import Shape

T = TypeVar("T")

_YEAR = datetime.timedelta(days=365)


@dataclasses.dataclass(slots=True)
class Volume:
    """A volume; its status changes."""

    number: int
    id: str
    project_id: str
    name: str
    status: str
    size: int
    created_at: datetime.datetime
    server_ids: tuple[str, ...] = ()
    metadata: Mapping[str, str] = dataclasses.field(default_factory=dict)
    status_before: str = ""
    """What it was before its backup began."""


@dataclasses.dataclass(slots=True)
class Server:
    """A server."""

    number: int
    id: str
    project_id: str
    name: str
    metadata: Mapping[str, str]
    volume_ids: Sequence[str]
    created_at: datetime.datetime


class Volumes:
    """All volumes; a higher number is younger."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._kept: dict[int, Volume] = {}
        """Those that were made or have changed."""
        self._gone: set[int] = set()
        self.end = shape.volumes
        """The next number."""
        self.changes = 0

    def __len__(self) -> int:
        return self.end - len(self._gone)

    def get(self, volume_id: str) -> Volume | None:
        """The volume with an id."""
        number = self._shape.number_of("volume", volume_id)
        return None if number is None else self.by_number(number)

    def by_number(self, number: int) -> Volume | None:
        """The volume with a number."""
        if number >= self.end or number in self._gone:
            return None
        return self._kept.get(number) or self._of_shape(number)

    def below(self, number: int) -> Iterator[Volume]:
        """Those with a lower number, youngest first."""
        return _below(number, self.by_number)

    def keep(self, volume: Volume) -> None:
        """Remember what a volume has become."""
        self._kept[volume.number] = volume
        self.changes += 1

    def add(
        self, project_id: str, name: str, size: int, now: datetime.datetime
    ) -> Volume:
        """A new one, available."""
        number = self.end
        self.end += 1
        volume = Volume(
            number,
            self._shape.volume_id(number),
            project_id,
            name,
            "available",
            size,
            now,
        )
        self.keep(volume)
        return volume

    def remove(self, volume: Volume) -> None:
        """Let one be gone."""
        self._kept.pop(volume.number, None)
        self._gone.add(volume.number)
        self.changes += 1

    def _of_shape(self, number: int) -> Volume:
        shape = self._shape
        server = shape.server_of(number)
        age = datetime.timedelta(seconds=shape.volumes - number)
        return Volume(
            number,
            shape.volume_id(number),
            shape.project_id(shape.project_of_volume(number)),
            shape.volume_name(number),
            "available" if server is None else "in-use",
            shape.volume_size,
            shape.made_at - _YEAR - age,
            () if server is None else (shape.server_id(server),),
            shape.volume_metadata(number),
        )


class Servers:
    """All servers; a higher number is younger."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._made: dict[int, Server] = {}
        self.end = shape.servers
        """The next number."""

    def get(self, server_id: str) -> Server | None:
        """The server with an id."""
        number = self._shape.number_of("server", server_id)
        return None if number is None else self.by_number(number)

    def by_number(self, number: int) -> Server | None:
        """The server with a number."""
        if number >= self.end:
            return None
        return self._made.get(number) or self._of_shape(number)

    def below(self, number: int) -> Iterator[Server]:
        """Those with a lower number, youngest first."""
        return _below(number, self.by_number)

    def add(
        self,
        project_id: str,
        name: str,
        volume_ids: Sequence[str],
        metadata: Mapping[str, str],
        now: datetime.datetime,
    ) -> Server:
        """A new one."""
        number = self.end
        self.end += 1
        its_id = self._shape.server_id(number)
        made = Server(
            number, its_id, project_id, name, metadata, volume_ids, now
        )
        self._made[number] = made
        return made

    def _of_shape(self, number: int) -> Server:
        shape = self._shape
        age = datetime.timedelta(seconds=shape.servers - number)
        return Server(
            number,
            shape.server_id(number),
            shape.project_id(shape.project_of_server(number)),
            shape.server_name(number),
            shape.server_metadata(number),
            [shape.volume_id(each) for each in shape.volumes_of(number)],
            shape.made_at - _YEAR - age,
        )


def _below(number: int, get: Callable[[int], T | None]) -> Iterator[T]:
    for each in range(number - 1, -1, -1):
        found = get(each)
        if found is not None:
            yield found
