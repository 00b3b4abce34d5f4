# SPDX-License-Identifier: Apache-2.0
"""Comparing what is in Cinder with what the oracle says."""

from __future__ import annotations

import dataclasses
import datetime
from collections import Counter
from collections.abc import Collection
from typing import Any, TextIO

from sandbox.scenery import Sandbox
from staffeln.domain import model, naming
from staffeln.tests import oracle
from tools.retention.deployments import Scene, now

LATE = datetime.timedelta(seconds=20)
"""Allowed for a round, and for a delete among many others."""
PER_LINK = datetime.timedelta(seconds=10)
"""Allowed besides for each backup that has to be gone first."""
MOST_LINES = 8
"""Of a conductor's log that are shown with a violation."""

_STATES = {
    "creating": model.BackupState.CREATING,
    "deleting": model.BackupState.DELETING,
    "error": model.BackupState.UNWANTED,
    "error_deleting": model.BackupState.UNWANTED,
}


class Observer:
    """Looks at all backups, again and again."""

    def __init__(self, cloud: Sandbox, scenes: list[Scene]) -> None:
        self._cloud = cloud
        self._scenes = scenes
        self._known: dict[str, oracle.Backup] = {}
        self._let_go: dict[str, datetime.datetime] = {}
        """Until when a backup has to be gone that the oracle lets go."""
        self._counts: Counter[str] = Counter()
        self._violations: list[str] = []

    def look(self) -> None:
        """One observation of everything."""
        self._counts["observations"] += 1
        # Before the list: what it lets go may be gone from it.
        at = now()
        shown = self._cloud.backups()
        for scene in self._scenes:
            scene.take_over()
            self._compare(scene, shown, at)

    def _compare(
        self, scene: Scene, shown: list[dict[str, Any]], at: datetime.datetime
    ) -> None:
        there = {
            each["id"]: each
            for each in shown
            if each["volume_id"] in scene.volumes
        }
        for each in there.values():
            self._note(scene, each, there.keys())
        mine = {
            each.id: each
            for each in self._known.values()
            if each.volume_id in scene.volumes
        }
        gone = mine.keys() - there.keys()
        world = oracle.World(
            backups=tuple(mine.values()),
            observations=(*scene.changes, scene.observation()),
        )
        may_go = oracle.to_go(world, now())
        for backup_id in gone:
            backup = self._known.pop(backup_id)
            self._let_go.pop(backup_id, None)
            if not backup.managed or backup.state not in (
                model.BackupState.AVAILABLE,
                model.BackupState.DELETING,
            ):
                continue
            self._counts["deleted"] += 1
            if backup_id not in may_go and not self._was_let_go(backup):
                self._violate(scene, backup, "is gone, and was to stay")
        self._mind_late(scene, may_go - gone, at)
        self._counts["held"] = max(
            self._counts["held"],
            sum(each.managed for each in mine.values()) - len(may_go),
        )

    def _was_let_go(self, backup: oracle.Backup) -> bool:
        """Seen on its way out at a time at which it was allowed to go."""
        return backup.state is model.BackupState.DELETING

    def _mind_late(
        self, scene: Scene, may_go: set[str], at: datetime.datetime
    ) -> None:
        for backup_id in list(self._let_go):
            backup = self._known.get(backup_id)
            if backup is None or backup.volume_id not in scene.volumes:
                continue
            if backup_id not in may_go:
                del self._let_go[backup_id]
        mine = [
            each
            for each in self._known.values()
            if each.volume_id in scene.volumes
        ]
        for backup_id in may_go:
            backup = self._known[backup_id]
            if backup_id not in self._let_go:
                before = sum(
                    oracle.may_depend(each, backup, mine)
                    for each in mine
                    if each.id != backup_id
                )
                self._let_go[backup_id] = at + LATE + PER_LINK * before
            if at > self._let_go[backup_id]:
                self._violate(scene, backup, "is there for too long")
                self._let_go[backup_id] = at + datetime.timedelta(days=1)

    def _note(
        self, scene: Scene, shown: dict[str, Any], there: Collection[str]
    ) -> None:
        """:param there: ids of all that is shown at the same moment."""
        server = scene.volumes[shown["volume_id"]]
        known = self._known.get(shown["id"])
        state = _STATES.get(shown["status"], model.BackupState.AVAILABLE)
        managed = naming.METADATA_DEPLOYMENT in (shown["metadata"] or {})
        if known is None:
            self._counts["made"] += managed
            known = oracle.Backup(
                id=shown["id"],
                volume_id=shown["volume_id"],
                project_id=shown["os-backup-project-attr:project_id"],
                server_id=server,
                created_at=datetime.datetime.fromisoformat(
                    shown["created_at"]
                ),
                incremental=shown["is_incremental"],
                promised=scene.values[server],
                managed=managed,
            )
        if (
            known.state is model.BackupState.AVAILABLE
            and state is model.BackupState.DELETING
            and managed
        ):
            self._mind_order(scene, known, there)
        self._known[known.id] = dataclasses.replace(
            known,
            state=state,
            completed=known.completed
            and state is not model.BackupState.UNWANTED,
        )

    def _mind_order(
        self, scene: Scene, going: oracle.Backup, there: Collection[str]
    ) -> None:
        """What goes has to be let go of at that moment, and not before."""
        mine = tuple(
            each
            for each in self._known.values()
            if each.volume_id in scene.volumes
        )
        world = oracle.World(
            backups=mine, observations=(*scene.changes, scene.observation())
        )
        if going.id not in oracle.to_go(world, now()):
            self._violate(scene, going, "is being deleted, and was to stay")
        needs_it = [
            each.id
            for each in mine
            if each.id != going.id
            and each.id in there
            and each.state is model.BackupState.AVAILABLE
            and oracle.may_depend(each, going, mine)
        ]
        if needs_it:
            self._violate(scene, going, f"goes before {needs_it[0]}")

    def _violate(self, scene: Scene, backup: oracle.Backup, what: str) -> None:
        told = [
            line
            for line in scene.deployment.log().splitlines()
            if backup.id in line and " DEBUG " not in line
        ]
        self._violations.append(
            f"{scene.name}: backup {backup.id} of volume {backup.volume_id} "
            f"(made {backup.created_at}, promised {backup.promised}) {what} "
            f"at {now()}"
            + "".join(f"\n      {line}" for line in told[-MOST_LINES:])
        )

    def in_words(self) -> str:
        """How it goes, in one line."""
        there = sum(each.managed for each in self._known.values())
        return (
            f"{self._counts['observations']} observations, "
            f"{self._counts['made']} made, {self._counts['deleted']} "
            f"deleted, {there} there, {len(self._violations)} violations"
        )

    def sum_up(self, out: TextIO) -> int:
        """The table at the end; the exit code."""
        out.write("\n")
        for name in ("observations", "made", "deleted"):
            out.write(f"{name:28} {self._counts[name]}\n")
        out.write(
            f"{'there in the end':28} "
            f"{sum(each.managed for each in self._known.values())}\n"
        )
        out.write(f"{'most kept at once':28} {self._counts['held']}\n")
        out.write(f"{'violations':28} {len(self._violations)}\n")
        for line in self._violations[:50]:
            out.write(f"  {line}\n")
        return 1 if self._violations else 0
