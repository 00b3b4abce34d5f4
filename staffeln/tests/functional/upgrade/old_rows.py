# SPDX-License-Identifier: Apache-2.0
"""What rows of release 2.x say has to happen, told from them alone.

It knows nothing of the rules of this release: it reads the rows as an
operator with a pencil would.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from staffeln.tests.functional.db import old_release

PLANNED, RUNNING, COMPLETED, FAILED, STARTING = range(5)

Row = dict[str, Any]


@dataclasses.dataclass
class OldVolume:
    """One volume, with what 2.x knew of it."""

    id: str
    project_id: str
    server_id: str
    backups: list[Row]
    """Oldest first."""
    queued: Row | None

    @property
    def completed(self) -> list[Row]:
        """Those that hold data, oldest first."""
        return [row for row in self.backups if row["backup_completed"] == 1]

    @property
    def runs(self) -> bool:
        """Whether a backup of it is being made."""
        return (
            self.queued is not None and self.queued["backup_status"] == RUNNING
        )

    @property
    def incrementals(self) -> int:
        """Completed ones since its last full; unknown ones are full."""
        count = 0
        for row in self.completed:
            count = count + 1 if row["incremental"] else 0
        return count

    def wants_incremental(self, depth: int) -> bool:
        """Whether its next backup is an incremental one."""
        return bool(self.completed) and self.incrementals < depth

    def newest_chain(self) -> set[str]:
        """Ids of its newest completed backup and of all it may build on.

        Only what is known to be full builds on nothing.
        """
        kept: set[str] = set()
        for row in reversed(self.completed):
            kept.add(row["backup_id"])
            if row["incremental"] is False:
                break
        return kept


def volumes(age: int) -> dict[str, OldVolume]:
    """Those of the samples, by id.

    :param age: how many revisions came after the first: without the
        second no mode is known.
    """
    rows = old_release.sample_rows()
    found: dict[str, OldVolume] = {}
    for name in ("backup_data", "queue_data"):
        for row in sorted(
            rows[name], key=lambda each: (each["created_at"], each["id"])
        ):
            if age < 1:
                row["incremental"] = None
            volume = found.setdefault(
                row["volume_id"],
                OldVolume(
                    row["volume_id"],
                    row["project_id"],
                    row["instance_id"],
                    [],
                    None,
                ),
            )
            if name == "backup_data":
                volume.backups.append(row)
            else:
                volume.queued = row
    return found
