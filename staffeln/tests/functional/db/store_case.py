# SPDX-License-Identifier: Apache-2.0
"""A store in a test, and short words for what is done to it."""

from __future__ import annotations

import concurrent.futures
import datetime
import threading
from collections.abc import Callable
from typing import Any

from staffeln import ports
from staffeln.domain import model, task
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

NOW = samples.NOW
SECOND = datetime.timedelta(seconds=1)
DAY = samples.DAY
STRANGE_NAME = "Bäckup 📦 <b>&\"'%s;\u202e" + "𝄞" * 200

IDENTITY = model.CloudIdentity(
    auth_url="https://keystone.example/v3",
    region="RegionOne",
    block_storage_url="https://cinder.example/v3",
    user_id="u1",
)


def planned(number: int = 1, **changes: Any) -> task.Task:
    """A planned backup of volume ``v<number>``."""
    return samples.backup_task(
        f"t{number}", **{"volume_id": f"v{number}", "rank": number, **changes}
    )


def removal(number: int = 1, **changes: Any) -> task.Task:
    """A planned delete of backup ``b<number>``."""
    return samples.backup_task(
        f"d{number}",
        kind=task.Kind.DELETE,
        mode=None,
        backup_id=f"b{number}",
        **changes,
    )


class StoreCase(base.TestCase):
    """A test of a store; ``new_store`` says of which."""

    store: ports.Store
    term: int

    def setUp(self) -> None:
        super().setUp()
        self.store = self.new_store()
        self.term = self.store.take_office("scheduler")

    def new_store(self) -> ports.Store:
        """A store with nothing in it."""
        raise NotImplementedError

    def mark_reported(self, task_id: str) -> None:
        """Say that a task's end was reported."""
        raise NotImplementedError

    # What tests say of it.

    def plan(self, *tasks: task.Task, **changes: Any) -> list[task.Task]:
        return self.store.write_plan(
            self.term, ports.PlanRecord(tasks=tasks, **changes), "scheduler"
        )

    def claim(
        self,
        limit: int = 100,
        kind: task.Kind = task.Kind.BACKUP,
        now: datetime.datetime = NOW,
        by: str = "c1",
        **limits: int,
    ) -> list[task.Task]:
        return self.store.claim(by, kind, limit, now, ports.Throttle(**limits))

    def move(
        self,
        work: task.Task,
        to_state: task.State,
        reason: str = "why",
        now: datetime.datetime = NOW,
        **changes: Any,
    ) -> task.Task | None:
        fields = {
            name: changes.pop(name)
            for name in ("backup", "forget_backup", "record", "still_busy")
            if name in changes
        }
        after = task.advance(work, to_state, now, reason, **changes)
        done = self.store.advance(
            [ports.Change(before=work, after=after, **fields)], "c1"
        )
        return done[0] if done else None

    def start(self, work: task.Task, **changes: Any) -> task.Task:
        """A claimed task, started: its attempt is saved."""
        moved = self.move(
            work,
            task.State.STARTING,
            attempt=work.attempt + 1,
            attempted_at=NOW,
            **changes,
        )
        assert moved
        return moved

    def run_one(self, number: int = 1, **changes: Any) -> task.Task:
        """A new task of a volume, brought to running with its row."""
        self.plan(planned(number, **changes))
        (claimed,) = self.claim()
        backup_id = f"b{number}"
        running = self.move(
            self.start(claimed),
            task.State.RUNNING,
            backup_id=backup_id,
            backup=self.row(
                number, state=model.BackupState.CREATING, completed_at=None
            ),
        )
        assert running
        return running

    def row(self, number: int = 1, **changes: Any) -> model.Backup:
        return samples.backup(
            f"b{number}", **{"volume_id": f"v{number}", **changes}
        )

    def adopt(self, *rows: model.Backup) -> None:
        """Put rows into the store, as found in Cinder."""
        self.plan(adopted=rows)

    def keep(self, *rows: model.Backup) -> None:
        """Put rows into the store, by the move of a passing task."""
        for row in rows:
            name = f"maker of {row.id}"
            self.plan(
                samples.backup_task(
                    name, kind=task.Kind.DELETE, mode=None, backup_id=name
                )
            )
            (claimed,) = self.claim(kind=task.Kind.DELETE)
            self.move(self.start(claimed), task.State.SUCCEEDED, backup=row)

    def history(self, volume_id: str = "v1") -> model.History:
        found = self.store.histories([volume_id])
        return found.get(volume_id, model.History())

    def story(self, task_id: str) -> list[tuple[str | None, str, str | None]]:
        return [
            (each.from_state, each.to_state, each.conductor_id)
            for each in self.store.events(task_id)
        ]

    def at_once(self, count: int, call: Callable[[int], Any]) -> list[Any]:
        """Call it in so many threads, all let go at the same moment."""
        gate = threading.Barrier(count)

        def run(number: int) -> Any:
            gate.wait()
            return call(number)

        with concurrent.futures.ThreadPoolExecutor(count) as threads:
            return list(threads.map(run, range(count)))

    def in_store(self, task_id: str) -> task.Task:
        found = self.store.get_task(task_id)
        assert found
        return found

    def backup_in_store(self, backup_id: str) -> model.Backup:
        found = self.store.get_backup(backup_id)
        assert found
        return found
