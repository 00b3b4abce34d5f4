# SPDX-License-Identifier: Apache-2.0
"""What Cinder does with backups, and what it refuses to do."""

from __future__ import annotations

import datetime
import heapq
import math
import random
from collections.abc import Callable, Collection, Mapping
from typing import Any

from benchmarks.cloud.behaviour import Behaviour
from benchmarks.cloud.copies import Backup, Backups, Wanted
from benchmarks.cloud.exchange import Fault, bad_request, not_found
from benchmarks.cloud.keystone import Token
from benchmarks.cloud.scenery import Shape
from benchmarks.cloud.things import Volume, Volumes

LONGEST_TEXT = 255
WITH_METADATA = (3, 43)
GOING_ON = ("creating", "deleting")
_FIELDS = frozenset(
    {
        "volume_id",
        "name",
        "description",
        "container",
        "incremental",
        "force",
        "snapshot_id",
        "metadata",
    }
)


class Making:
    """Begins backups and deletions, and lets them end.

    :param clock: the cloud's, in seconds since the epoch.
    """

    def __init__(
        self,
        shape: Shape,
        volumes: Volumes,
        backups: Backups,
        behaviour: Callable[[], Behaviour],
        clock: Callable[[], float],
    ) -> None:
        self.volumes = volumes
        self.backups = backups
        self._shape = shape
        self._behaviour = behaviour
        self._clock = clock
        self._quotas: dict[str, tuple[int, int]] = {}
        self._ends: list[tuple[float, int]] = []
        for backup in backups.find(Wanted(status="creating")):
            volume = volumes.get(backup.volume_id)
            if volume is not None:
                self._hold(volume)

    def now(self) -> datetime.datetime:
        """The cloud's time: UTC, naive, whole seconds as Cinder keeps it."""
        moment = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        return moment.replace(tzinfo=None, microsecond=0)

    def services_up(self) -> int:
        """How many of the cinder-backup services are up."""
        found = self._behaviour().services_up
        return self._shape.backup_services if found is None else found

    # -- quotas --------------------------------------------------------------

    def quota(self, project_id: str) -> tuple[int, int]:
        """How many backups a project may have, and GiB in them."""
        shape = self._shape
        return self._quotas.get(
            project_id, (shape.backups_quota, shape.gigabytes_quota)
        )

    def set_quota(self, project_id: str, backups: int, gigabytes: int) -> None:
        """Limit a project's backups."""
        self._quotas[project_id] = (backups, gigabytes)

    def _reserve(self, project_id: str, size: int) -> None:
        backups, gigabytes = self.quota(project_id)
        if backups < 0 and gigabytes < 0:
            return
        used, full = self.backups.used(project_id)
        if 0 <= backups < used + 1:
            raise _over_limit(
                f"Maximum number of backups allowed ({backups}) exceeded"
            )
        if 0 <= gigabytes < full + size:
            raise _over_limit(
                "Requested backup exceeds allowed Backup gigabytes quota. "
                f"Requested {size}G, quota is {gigabytes}G and {full}G has "
                "been consumed."
            )

    # -- beginning -----------------------------------------------------------

    def create(
        self, asked: Mapping[str, Any], token: Token, version: tuple[int, int]
    ) -> Backup:
        """Begin a backup in the project of the token.

        :raises Fault: Cinder refuses.
        """
        _check(asked, version)
        volume = self._volume(asked, token)
        self._reserve(token.project_id, volume.size)
        parent = None
        if asked.get("incremental"):
            parent = self._parent(volume, token.project_id)
        self._hold(volume)
        number = self.backups.new_number()
        now = self.now()
        made = Backup(
            number,
            self._shape.backup_id(number),
            token.project_id,
            token.user_id,
            volume.id,
            asked.get("name") or "",
            "creating",
            volume.size,
            parent is not None,
            parent,
            now,
            now,
            dict(asked.get("metadata") or {}),
        )
        self.backups.keep(made)
        self._let_end(made, self._duration(number))
        return made

    def _volume(self, asked: Mapping[str, Any], token: Token) -> Volume:
        """The volume of a request, if it can be backed up now."""
        volume = self.volumes.get(asked["volume_id"])
        if volume is None or not (
            token.administrator or volume.project_id == token.project_id
        ):
            raise not_found(f"Volume {asked['volume_id']} could not be found.")
        if volume.status not in {"available", "in-use"}:
            raise bad_request(
                "Invalid volume: Volume to be backed up must be available or "
                f'in-use, but the current status is "{volume.status}".'
            )
        if volume.status == "in-use" and not asked.get("force"):
            raise bad_request(
                "Invalid volume: Backing up an in-use volume must use the "
                "force flag."
            )
        return volume

    def delete(self, backup_id: str, token: Token) -> None:
        """Begin to delete a backup.

        :raises Fault: Cinder refuses.
        """
        found = self.backups.get(backup_id)
        if found is None or not (
            token.administrator or found.project_id == token.project_id
        ):
            raise not_found(f"Backup {backup_id} could not be found.")
        if found.status not in {"available", "error"}:
            raise bad_request(
                "Invalid backup: Backup status must be available or error"
            )
        # Cinder looks for them in the project of the caller only.
        children = Wanted(parent=found.number, project_id=token.project_id)
        if next(self.backups.find(children), None) is not None:
            raise bad_request(
                "Invalid backup: Incremental backups exist for this backup."
            )
        if not self.services_up():
            raise not_found("Service cinder-backup could not be found.")
        found.updated_at = self.now()
        found.deletes += 1
        self.backups.change(found, "deleting")
        self._let_end(found, self._behaviour().delete_time)

    def _parent(self, volume: Volume, project_id: str) -> int:
        """The youngest backup that is whole, in the caller's project."""
        wanted = Wanted(
            status="available", volume_id=volume.id, project_id=project_id
        )
        found = next(self.backups.find(wanted), None)
        if found is None:
            raise bad_request(
                "Invalid backup: No backups available to do an incremental "
                "backup."
            )
        return found.number

    def _hold(self, volume: Volume) -> None:
        volume.status_before = volume.status
        volume.status = "backing-up"
        self.volumes.keep(volume)

    # -- ending --------------------------------------------------------------

    def go_on(self) -> None:
        """Let end what has come to its end by now."""
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            moment, number = heapq.heappop(self._ends)
            found = self.backups.by_number(number)
            if found is not None and found.ends_at == moment:
                self._end(found, self._outcome(found))

    def settle(self, backup_ids: Collection[str] | None, status: str) -> int:
        """Let end what goes on; how many backups it was.

        :param backup_ids: None: all of them.
        :param status: what those in the making become.
        """
        if backup_ids is None:
            found = [
                each
                for name in GOING_ON
                for each in self.backups.find(Wanted(status=name))
            ]
        else:
            known = map(self.backups.get, backup_ids)
            found = [each for each in known if each is not None]
        ended = [each for each in found if each.status in GOING_ON]
        for each in ended:
            self._end(each, "" if each.status == "deleting" else status)
        return len(ended)

    def _end(self, backup: Backup, status: str) -> None:
        """:param status: what it becomes; empty: it is gone."""
        backup.ends_at = math.inf
        backup.updated_at = self.now()
        if backup.status == "creating":
            volume = self.volumes.get(backup.volume_id)
            if volume is not None and volume.status == "backing-up":
                volume.status = volume.status_before
                self.volumes.keep(volume)
        if not status:
            self.backups.remove(backup)
            return
        if status.startswith("error"):
            backup.fail_reason = "the simulated cloud lets it fail"
        self.backups.change(backup, status)

    def _let_end(self, backup: Backup, seconds: float) -> None:
        if math.isfinite(seconds):
            backup.ends_at = self._clock() + seconds
            heapq.heappush(self._ends, (backup.ends_at, backup.number))

    def _outcome(self, backup: Backup) -> str:
        behaviour = self._behaviour()
        if backup.status == "deleting":
            # Each try has its own luck, and none that of the making.
            what = f"delete {backup.deletes}"
            chance = self._chance(what, backup.number).random()
            return "error_deleting" * (chance < behaviour.delete_errors)
        chance = self._chance("outcome", backup.number).random()
        if chance < behaviour.backup_errors or not self.services_up():
            return "error"
        return "available"

    def _duration(self, number: int) -> float:
        """Seconds that a backup takes."""
        behaviour = self._behaviour()
        if not self.services_up():
            return 0.0
        if not behaviour.backup_spread or behaviour.backup_time <= 0:
            return behaviour.backup_time
        return self._chance("duration", number).lognormvariate(
            math.log(behaviour.backup_time), behaviour.backup_spread
        )

    def _chance(self, what: str, number: int) -> random.Random:
        # Nothing secret: the same for the same seed.
        return random.Random(f"{what} {self._shape.seed} {number}")  # nosec B311


def _check(asked: Mapping[str, Any], version: tuple[int, int]) -> None:
    """:raises Fault: a request of that form is not taken."""
    unknown = asked.keys() - _FIELDS
    if unknown or ("metadata" in asked and version < WITH_METADATA):
        raise bad_request(
            "Additional properties are not allowed "
            f"({', '.join(sorted(unknown)) or 'metadata'})"
        )
    if not isinstance(asked.get("volume_id"), str):
        raise bad_request("'volume_id' is a required property")
    metadata = asked.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise bad_request("metadata is not an object")
    for text in (asked.get("name") or "", *metadata, *metadata.values()):
        if not isinstance(text, str) or len(text) > LONGEST_TEXT:
            raise bad_request(
                f"a text is longer than {LONGEST_TEXT} characters, or none"
            )


def _over_limit(words: str) -> Fault:
    return Fault(413, "overLimit", words, (("Retry-After", "0"),))
