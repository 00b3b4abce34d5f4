# SPDX-License-Identifier: Apache-2.0
"""How fast expired chains go: conductors, and one delete after the other.

Chains of backups are made on a sandbox cloud of its own, with rows that say
that they have expired; then they go in each of these ways, in one run. The
last way is how earlier releases did it: one delete at a time, and a pause.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import pathlib
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any

from benchmarks import arguments
from sandbox.scenery import Sandbox, Tenant, wait_for
from staffeln.db import session
from staffeln.db.store import SqlStore
from staffeln.domain import model
from staffeln.tests.functional.db import databases
from staffeln.tests.integration.base import Deployment

NAME = "deletes"
BASE_PORT = 21000
PAUSE = 2.0
"""Seconds between two deletes of the last way."""
AT_ONCE = 12
"""Backups that are made at a time."""
Way = Callable[[list[dict[str, Any]]], None]
"""Deletes what was made, given newest first."""
HEADINGS = ("way", "backups", "volumes", "seconds", "deletes/min", "ratio")


def main() -> int:
    """Measure and print; 1: something was left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--volumes", type=arguments.whole(), default=40)
    parser.add_argument("--links", type=arguments.whole(), default=5)
    parser.add_argument(
        "--volumes-one-by-one",
        type=arguments.whole(),
        default=6,
        help="of the last way",
    )
    parser.add_argument(
        "--lifted",
        action="store_true",
        help="also without a limit of deletes that run at once",
    )
    options = parser.parse_args()
    with (
        Sandbox.started(NAME, BASE_PORT) as cloud,
        tempfile.TemporaryDirectory() as folder,
    ):
        _measure(cloud, pathlib.Path(folder), options)
    return 0


def _measure(
    cloud: Sandbox, folder: pathlib.Path, arguments: argparse.Namespace
) -> None:
    tenant = cloud.project(f"deletes-{uuid.uuid4().hex[:8]}")
    cloud.admin.block_storage.update_quota_set(
        tenant.id, backups=-1, backup_gigabytes=-1, volumes=-1, gigabytes=-1
    )
    ways: list[tuple[str, int, Way]] = [
        (
            f"one at a time, a pause of {PAUSE:.0f} s",
            arguments.volumes_one_by_one,
            functools.partial(_one_by_one, cloud),
        )
    ]
    for conductors in (1, 3):
        for limit in (None, 0) if arguments.lifted else (None,):
            told = "default limit" if limit is None else "no limit"
            ways.append(
                (
                    f"{conductors} conductor(s), {told}",
                    arguments.volumes,
                    functools.partial(
                        _conductors, cloud, folder, conductors, limit
                    ),
                )
            )
    _say(HEADINGS)
    slowest = 0.0
    for name, volumes, way in ways:
        made = _make(cloud, tenant, volumes, arguments.links)
        seconds = _time(cloud, made, way)
        rate = len(made) / seconds * 60
        slowest = slowest or rate
        _say(
            (
                name,
                str(len(made)),
                str(volumes),
                f"{seconds:.1f}",
                f"{rate:.0f}",
                f"{rate / slowest:.1f}",
            )
        )


def _make(
    cloud: Sandbox, tenant: Tenant, volumes: int, links: int
) -> list[dict[str, Any]]:
    """Chains of so many links; newest first."""
    storage = cloud.admin.block_storage
    connection = tenant.connection.block_storage
    ids = [tenant.volume(f"v{number}") for number in range(volumes)]
    for link in range(links):
        for first in range(0, volumes, AT_ONCE):
            made = [
                str(
                    connection.create_backup(
                        volume_id=each, is_incremental=link > 0
                    ).id
                )
                for each in ids[first : first + AT_ONCE]
            ]
            for backup_id in made:
                wait_for(
                    f"backup {backup_id}",
                    lambda it=backup_id: (  # type: ignore[misc]
                        storage.get_backup(it).status == "available"
                    ),
                )
    mine = set(ids)
    return [each for each in cloud.backups() if each["volume_id"] in mine]


def _time(
    cloud: Sandbox,
    made: list[dict[str, Any]],
    way: Way,
) -> float:
    """Seconds from the first delete to the last backup's end."""
    began = ended = 0.0
    ids = {each["id"] for each in made}
    deleting = threading.Thread(target=way, args=(made,))
    deleting.start()
    while not ended:
        shown = {each["id"]: each["status"] for each in cloud.backups()}
        left = ids & shown.keys()
        if not began and any(shown.get(each) != "available" for each in ids):
            began = time.monotonic()
        if not left:
            ended = time.monotonic()
        deleting.join(0.3)
    deleting.join()
    return max(ended - began, 0.001)


def _one_by_one(cloud: Sandbox, made: list[dict[str, Any]]) -> None:
    storage = cloud.admin.block_storage
    for each in made:
        storage.delete_backup(each["id"])
        wait_for(
            f"{each['id']} is gone",
            lambda it=each["id"]: storage.find_backup(it) is None,  # type: ignore[misc]
        )
        time.sleep(PAUSE)


def _conductors(
    cloud: Sandbox,
    folder: pathlib.Path,
    many: int,
    limit: int | None,
    made: list[dict[str, Any]],
) -> None:
    """Rows for what was made, and conductors that see that it expired."""
    options: dict[str, object] = {
        "backup_metadata_key": "nothing-is-selected",
        "retention_max_fraction": 1,
        "retention_service_period": 3600,
        "backup_service_period": 3600,
    }
    if limit is not None:
        options["max_running_deletes"] = limit
    running: list[Deployment] = []
    for number in range(many):
        place = folder / uuid.uuid4().hex
        place.mkdir()
        running.append(
            Deployment(
                place,
                cloud.clouds_file,
                {
                    "conductor": options,
                    "DEFAULT": {"state_path": folder, "debug": False},
                },
                database=running[0].database if number else None,
            )
        )
    running[0].create_schema()
    _insert_rows(running[0].database, made)
    try:
        for each in running[1:]:
            each.start()
        wait_for(
            "the others are up",
            lambda: all(" is up" in each.log() for each in running[1:]),
        )
        running[0].start()
        ids = {each["id"] for each in made}
        wait_for(
            "all are gone",
            lambda: not ids & {each["id"] for each in cloud.backups()},
            limit=1800,
            pause=1.0,
        )
    finally:
        for each in running:
            each.kill()


def _insert_rows(url: str, made: list[dict[str, Any]]) -> None:
    store = SqlStore(session.connect(databases.configuration(url)))
    for each in made:
        created_at = datetime.datetime.fromisoformat(each["created_at"])
        store.keep_backup(
            model.Backup(
                id=each["id"],
                project_id=each["os-backup-project-attr:project_id"],
                volume_id=each["volume_id"],
                state=model.BackupState.AVAILABLE,
                incremental=each["is_incremental"],
                created_at=created_at,
                completed_at=created_at,
                retention="1s",
            )
        )
    store.close()


def _say(cells: tuple[str, ...]) -> None:
    widths = (34, 9, 9, 9, 13, 6)
    line = "".join(
        cell.ljust(width) for cell, width in zip(cells, widths, strict=True)
    )
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    arguments.leave(main)
