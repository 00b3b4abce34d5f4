# SPDX-License-Identifier: Apache-2.0
"""What lives in a simulated cloud, all of it made from numbers.

Nothing is kept: an id is a function of a number and the other way round, so
that a cloud of any size starts at once, and another process can tell
without asking what the cloud shows, to write the rows that fit to it.

Projects, servers, volumes and backups are numbered from 0; a higher number
is younger. Those that are made while the cloud runs get the next numbers.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import random
import uuid
from array import array
from bisect import bisect_left
from collections.abc import Iterator, Mapping

from staffeln.domain import naming

BACKUP_KEY = "__staffeln_backup"
RETENTION_KEY = "__staffeln_retention"
"""Metadata keys of servers, as the options have them by themselves."""
RETENTIONS = ("25d", "7w", "90d", "26w")
"""What servers say that have a value of their own."""

_KINDS = (
    "project",
    "server",
    "volume",
    "backup",
    "task",
    "user",
    "attachment",
    "port",
    "group",
    "domain",
    "role",
    "deployment",
    "request",
)
_WITHOUT_DASHES = frozenset({"project", "user", "group", "domain", "role"})
_PLACES = {kind: place for place, kind in enumerate(_KINDS)}
_MODULUS = 2**128
_SCATTER = 2654435761
"""Odd: times this, modulo 2**32, neighbours are far from each other."""


def _is_among(number: int, share: float) -> bool:
    """Whether a number is one of a share of all, which lie scattered."""
    return number * _SCATTER % 2**32 < share * 2**32


def _now() -> datetime.datetime:
    found = datetime.datetime.now(datetime.UTC)
    return found.replace(tzinfo=None, microsecond=0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shape:
    """How large a cloud is and what is in it. Times are UTC, naive."""

    seed: int = 1
    """Other ids for another number."""
    servers: int = 500
    volumes: int = 1000
    unattached: int = 0
    """So many of the volumes, the youngest, are attached to no server."""
    projects: int = 20
    selected: float = 1.0
    """Which share of the servers asks for backups."""
    projects_without_work: int = 0
    """So many of the projects, the youngest, have no selected server."""
    projects_without_role: int = 0
    """So many of the projects, the youngest, the service has no role in."""
    own_retention: float = 0.0
    """Which share of the servers says how long its backups are kept."""
    opted_out: float = 0.0
    """Which share of the volumes asks to be left out, by their metadata."""
    members: int = 2
    """Users of each project who have an e-mail address."""
    volume_size: int = 10
    """GiB of each volume."""
    page_limit: int = 1000
    """Items of the largest page that the services give."""
    backup_services: int = 3
    """cinder-backup services, all up."""
    backups_quota: int = -1
    """Backups that each project may have; -1: as many as it likes."""
    gigabytes_quota: int = -1
    chain: int = 0
    """Completed backups of each selected volume."""
    full_every: int = 7
    """Each so-manieth of them is full, the others are incremental."""
    interval: int = 86400
    """Seconds from one backup of a volume to the next."""
    creating: int = 0
    """So many selected volumes, the first, have a backup in the making.

    It ends when it is settled.
    """
    creating_for: int = 0
    """Seconds since the first of those was begun; the last is just begun."""
    made_at: datetime.datetime = dataclasses.field(default_factory=_now)
    """When all this was there: younger than every existing thing.

    The last backup of each volume is at most half an interval older.
    """

    def __post_init__(self) -> None:
        """:raises ValueError: such a cloud cannot be."""
        for name in ("servers", "volumes", "projects", "page_limit"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more")
        if self.unattached > self.volumes:
            raise ValueError("unattached is more than volumes")
        if self.projects_without_work > self.projects:
            raise ValueError("projects_without_work is more than projects")
        if self.creating > len(self.selected_volumes):
            raise ValueError("creating is more than there are selected")

    def to_text(self) -> str:
        """As text that :meth:`from_text` reads."""
        values = dataclasses.asdict(self)
        return json.dumps({**values, "made_at": self.made_at.isoformat()})

    @classmethod
    def from_text(cls, text: str) -> Shape:
        """The shape that was written as text."""
        values = json.loads(text)
        moment = datetime.datetime.fromisoformat(values["made_at"])
        return cls(**{**values, "made_at": moment})

    # -- ids ---------------------------------------------------------------

    @functools.cached_property
    def _factor(self) -> int:
        """Odd: times this, modulo 2**128, no two numbers are the same."""
        # Nothing secret: the same for the same seed.
        found = random.Random(f"ids {self.seed}")  # nosec B311
        return found.getrandbits(128) | 1 << 127 | 1

    @functools.cached_property
    def _inverse(self) -> int:
        return pow(self._factor, -1, _MODULUS)

    def id_of(self, kind: str, number: int) -> str:
        """The id of a thing: in no order, as those of a real cloud."""
        salted = (number + 1) * len(_KINDS) + _PLACES[kind]
        text = f"{salted * self._factor % _MODULUS:032x}"
        if kind in _WITHOUT_DASHES:
            return text
        return (
            f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        )

    def number_of(self, kind: str, its_id: str) -> int | None:
        """The number of the thing with an id; None: it is no such id."""
        try:
            value = uuid.UUID(its_id).int
        except ValueError:
            return None
        salted = value * self._inverse % _MODULUS
        number, place = divmod(salted, len(_KINDS))
        if place != _PLACES[kind] or not 0 < number < 2**48:
            return None
        return number - 1

    # -- projects and people -----------------------------------------------

    def project_id(self, project: int) -> str:
        """A project's id."""
        return self.id_of("project", project)

    def project_name(self, project: int) -> str:
        """A project's name."""
        return f"project-{project:05}"

    def has_role(self, project: int) -> bool:
        """Whether the service user has a role in a project."""
        return project < self.projects - self.projects_without_role

    @functools.cached_property
    def service_user_id(self) -> str:
        """Who Staffeln is."""
        return self.user_id(0)

    def user_id(self, user: int) -> str:
        """A user's id: 0 is the service's, then come the members."""
        return self.id_of("user", user)

    def members_of(self, project: int) -> range:
        """Numbers of the users who are members of a project."""
        if project >= self.projects:
            return range(0)
        first = 1 + project * self.members
        return range(first, first + self.members)

    @functools.cached_property
    def service_project_id(self) -> str:
        """The project of the service itself; it has no volumes."""
        return self.project_id(self.projects)

    @functools.cached_property
    def deployment(self) -> str:
        """The deployment that existing backups say they are of."""
        return self.id_of("deployment", 0)

    # -- servers -----------------------------------------------------------

    def server_id(self, server: int) -> str:
        """A server's id."""
        return self.id_of("server", server)

    def server_name(self, server: int) -> str:
        """A server's name."""
        return f"server-{server:06}"

    def project_of_server(self, server: int) -> int:
        """Number of a server's project."""
        return server % self.projects

    def volumes_of(self, server: int) -> range:
        """Numbers of the volumes that are attached to a server."""
        attached = self.volumes - self.unattached
        return range(
            -(-server * attached // self.servers),
            -(-(server + 1) * attached // self.servers),
        )

    def is_selected(self, server: int) -> bool:
        """Whether a server asks for backups."""
        project = self.project_of_server(server)
        if project >= self.projects - self.projects_without_work:
            return False
        return _is_among(server + 1, self.selected)

    def retention_of(self, server: int) -> str | None:
        """What a server says of retention; None: nothing."""
        if not _is_among(server * 7 + 3, self.own_retention):
            return None
        return RETENTIONS[server % len(RETENTIONS)]

    def server_metadata(self, server: int) -> Mapping[str, str]:
        """A server's metadata."""
        found = {"role": ("web", "database", "worker")[server % 3]}
        if self.is_selected(server):
            found[BACKUP_KEY] = "true"
        retention = self.retention_of(server)
        if retention is not None:
            found[RETENTION_KEY] = retention
        return found

    # -- volumes -----------------------------------------------------------

    def volume_id(self, volume: int) -> str:
        """A volume's id."""
        return self.id_of("volume", volume)

    def volume_name(self, volume: int) -> str:
        """A volume's name."""
        return f"volume-{volume:06}"

    def volume_metadata(self, volume: int) -> Mapping[str, str]:
        """A volume's metadata."""
        if _is_among(volume * 5 + 1, self.opted_out):
            return {BACKUP_KEY: "false"}
        return {}

    def server_of(self, volume: int) -> int | None:
        """Number of the server that a volume is attached to."""
        attached = self.volumes - self.unattached
        if volume >= attached:
            return None
        return volume * self.servers // attached

    def project_of_volume(self, volume: int) -> int:
        """Number of a volume's project."""
        server = self.server_of(volume)
        if server is None:
            return volume % self.projects
        return self.project_of_server(server)

    @functools.cached_property
    def selected_volumes(self) -> array[int]:
        """Numbers of the volumes that are to be backed up."""
        return array(
            "L",
            (
                volume
                for server in range(self.servers)
                if self.is_selected(server)
                for volume in self.volumes_of(server)
                if not self.volume_metadata(volume)
            ),
        )

    def projects_with_work(self) -> set[int]:
        """Numbers of the projects that have a selected volume."""
        return {
            self.project_of_volume(volume) for volume in self.selected_volumes
        }

    # -- backups -----------------------------------------------------------

    @property
    def completed(self) -> int:
        """How many completed backups there are: numbers from 0."""
        return self.chain * len(self.selected_volumes)

    @property
    def existing(self) -> int:
        """How many backups there are at the start, in the making as well."""
        return self.completed + self.creating

    def backup(self, number: int) -> Existing:
        """A backup that is there at the start."""
        count = len(self.selected_volumes)
        if number >= self.completed:
            place = number - self.completed
            volume = self.selected_volumes[place]
            begun_at = self.made_at - datetime.timedelta(
                seconds=self.creating_for * (1 - (place + 1) / self.creating)
            )
            return Existing(number, volume, False, None, begun_at)
        step, place = divmod(number, count)
        half = self.interval // 2
        seconds = (self.chain - 1 - step) * self.interval + (
            half - half * place // count
        )
        incremental = step % self.full_every > 0
        return Existing(
            number,
            self.selected_volumes[place],
            incremental,
            number - count if incremental else None,
            self.made_at
            - datetime.timedelta(seconds=self.creating_for + seconds),
        )

    def backups_of(self, volume: int) -> range:
        """Numbers of the completed backups of a volume, oldest first."""
        count = len(self.selected_volumes)
        place = bisect_left(self.selected_volumes, volume)
        if place == count or self.selected_volumes[place] != volume:
            return range(0)
        return range(place, self.completed, max(count, 1))

    def backups(self) -> Iterator[Existing]:
        """All backups that are there at the start, oldest first."""
        return map(self.backup, range(self.existing))

    def backup_id(self, backup: int) -> str:
        """A backup's id."""
        return self.id_of("backup", backup)

    def task_id(self, backup: int) -> str:
        """The task that made an existing backup."""
        return self.id_of("task", backup)

    def backup_metadata(self, backup: int) -> Mapping[str, str]:
        """Metadata of an existing backup: that Staffeln made it."""
        return naming.backup_metadata(self.deployment, self.task_id(backup), 1)


@dataclasses.dataclass(frozen=True, slots=True)
class Existing:
    """A backup that is there at the start, by numbers."""

    number: int
    volume: int
    incremental: bool
    parent: int | None
    created_at: datetime.datetime
