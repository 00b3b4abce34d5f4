# SPDX-License-Identifier: Apache-2.0
"""Names and metadata of the backups that Staffeln makes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from staffeln.domain import task

LONGEST_ID = 64
"""Characters that the ids of our own rows have at most."""

LONGEST_NAME = 255
"""Cinder's limit for a name, in characters."""

METADATA_DEPLOYMENT = "staffeln_deployment"
METADATA_TASK = "staffeln_task"
METADATA_ATTEMPT = "staffeln_attempt"


def backup_name(
    server_name: str,
    volume_name: str,
    volume_id: str,
    attempted_at: datetime.datetime,
) -> str:
    """``<server>_<volume>_<time of the attempt>``, at most 255 characters.

    The volume's name is shortened first, then the server's, never the
    time. A volume without a name uses its id.
    """
    stamp = attempted_at.strftime("%Y%m%dT%H%M%SZ")
    volume = volume_name or volume_id
    room = LONGEST_NAME - len(stamp) - 2
    volume = volume[: max(room - len(server_name), 1)]
    server = server_name[: room - len(volume)]
    return f"{server}_{volume}_{stamp}"


def backup_metadata(
    deployment_uuid: str, task_id: str, attempt: int
) -> dict[str, str]:
    """What a backup carries so that it can be found again.

    Members can edit it: it serves to find, never to authorise.
    """
    return {
        METADATA_DEPLOYMENT: deployment_uuid,
        METADATA_TASK: task_id,
        METADATA_ATTEMPT: str(attempt),
    }


def made_by(
    metadata: Mapping[str, str], deployment_uuid: str, work: task.Task
) -> bool:
    """Whether a backup's metadata say that this task made it."""
    return (
        metadata.get(METADATA_DEPLOYMENT) == deployment_uuid
        and metadata.get(METADATA_TASK) == work.id
    )


def deployment_of(metadata: Mapping[str, str]) -> str | None:
    """The deployment that a backup says it is of; None: it says nothing."""
    return metadata.get(METADATA_DEPLOYMENT)


def task_of(metadata: Mapping[str, str]) -> str | None:
    """The task that a backup says it was made by; None: it says nothing.

    An id longer than any of ours is none.
    """
    found = metadata.get(METADATA_TASK)
    return found if found and len(found) <= LONGEST_ID else None


def attempt_of(metadata: Mapping[str, str]) -> int | None:
    """The number of the attempt that made a backup; None: unreadable."""
    text = metadata.get(METADATA_ATTEMPT, "")
    return int(text) if text.isdecimal() and len(text) < 10 else None
