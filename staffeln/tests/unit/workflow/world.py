# SPDX-License-Identifier: Apache-2.0
"""A small world for the workflow: a cloud, a database and conductors.

Nothing in it happens by itself: :meth:`World.lead`, :meth:`World.work` and
:meth:`World.pass_time` move it, and after each of the first two all that
must always be true is checked.
"""

from __future__ import annotations

import concurrent.futures
import datetime
import itertools
from collections import Counter
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from staffeln import ports
from staffeln.domain import durations, model, naming, policies, task
from staffeln.engines.cinder import CinderEngine
from staffeln.tests import base
from staffeln.tests.fakes.fake_cloud import START, FakeCloud
from staffeln.tests.fakes.memory_store import MemoryStore
from staffeln.tests.unit.domain import samples
from staffeln.workflow import binding, cycle, observing
from staffeln.workflow.press import Press
from staffeln.workflow.settings import Settings

TAG = {"__staffeln_backup": "true"}
SECOND = datetime.timedelta(seconds=1)
MINUTE = datetime.timedelta(minutes=1)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)

POLL = 10 * SECOND
SETTLE = 2 * MINUTE
ABSENCE = 10 * MINUTE
SILENCE = MINUTE
BACKOFF = 10 * MINUTE

LOST = frozenset(
    {
        model.BackupState.UNWANTED,
        model.BackupState.DELETING,
        model.BackupState.VANISHED,
    }
)


def settings(**changes: Any) -> Settings:
    """What conductors work by; names of the policy are its changes."""
    names = policies.Policy.__dataclass_fields__
    rules = policies.RetentionPolicy.__dataclass_fields__
    values: dict[str, Any] = {
        "policy": samples.policy(
            failure_backoff=BACKOFF,
            **{name: changes.pop(name) for name in names if name in changes},
        ),
        "protection": samples.protection_policy(),
        "backup_service_period": HOUR,
        "rule": samples.rule(),
        "retention": samples.retention_policy(
            **{name: changes.pop(name) for name in rules if name in changes}
        ),
        "clock_tolerance": 5 * MINUTE,
        "vanished_period": durations.Duration(days=30),
        "reconciliation_period": DAY,
        "orphan_settle_time": DAY,
        "backup_cycle_timeout": durations.Duration(days=1),
        "create_settle_time": SETTLE,
        "absence_settle_time": ABSENCE,
        "heartbeat_timeout": SILENCE,
        "task_poll_period": POLL,
        "max_running_backups": 0,
        "max_running_backups_per_project": 0,
        "max_running_deletes": 0,
        "backup_workers": 4,
        "rotation_workers": 2,
    }
    return Settings(**{**values, **changes})


class Clock:
    """The one clock of database and cloud; it stands until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime.datetime:
        return self.time

    @property
    def seconds(self) -> float:
        """As a process's own clock counts them."""
        return (self.time - START).total_seconds()


P = ParamSpec("P")
T = TypeVar("T")


class AtOnce(concurrent.futures.ThreadPoolExecutor):
    """Threads whose calls end before anything else goes on."""

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> concurrent.futures.Future[T]:
        """Call now; as in a thread, no error gets out of it."""
        future: concurrent.futures.Future[T] = concurrent.futures.Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001
            future.set_exception(error)
        return future


class Process:
    """One conductor's process: a worker, and a scheduler when it leads."""

    def __init__(
        self,
        name: str,
        store: ports.Store,
        cloud: ports.Cloud,
        worked_by: Settings,
        clock: Clock,
        press: Press | None = None,
        observer: ports.Observer = observing.NOBODY,
    ) -> None:
        self.name = name
        self.held = True
        """Whether its leadership says that it has the office."""
        self._store = store
        self._ticks = itertools.count(step=1e-6)
        store.register_conductor(name, "host", 1, "solo")
        self.scheduler = cycle.Scheduler(
            store,
            cloud,
            worked_by,
            name,
            held=lambda: self.held,
            host_time=clock,
            press=press,
            observer=observer,
            clock=lambda: clock.seconds + next(self._ticks),
        )
        self.worker = cycle.Worker(
            store,
            CinderEngine(cloud),
            worked_by,
            binding.prove(cloud, store)[0].uuid,
            name,
            lambda: None,
            lambda: clock.seconds,
            clock,
            observer,
        )
        claiming = self.worker._claiming
        for pool in (claiming.starts, claiming.deletes):
            pool._threads = AtOnce()

    def beat(self) -> None:
        """Say that it lives."""
        self._store.heartbeat(self.name)

    def work(self) -> int:
        """One round, with all calls that it begins."""
        return self.worker.work()


class World:
    """All of it, with one project ``p`` and one conductor ``c1``."""

    def __init__(
        self,
        *,
        page_size: int = 1000,
        conductors: int = 1,
        press: Press | None = None,
        observer: ports.Observer = observing.NOBODY,
        **changes: Any,
    ) -> None:
        self.clock = Clock()
        self.cloud = FakeCloud(page_size=page_size, clock=self.clock)
        self.store = MemoryStore(clock=self.clock)
        self.settings = settings(**changes)
        self.press = press
        self.observer = observer
        self.project = self.cloud.add_project("p")
        self.processes: dict[str, Process] = {}
        for number in range(1, conductors + 1):
            self.start_conductor(f"c{number}")
        if conductors:
            self.processes["c1"].scheduler.take_office()

    # -- what there is -----------------------------------------------------

    def start_conductor(self, name: str) -> Process:
        """A new process on the same database."""
        process = Process(
            name,
            self.store,
            self.cloud,
            self.settings,
            self.clock,
            self.press,
            self.observer,
        )
        self.processes[name] = process
        return process

    def kill(self, name: str) -> None:
        """A process is gone, without a word."""
        del self.processes[name]

    def protect(self, project_id: str = "p", **volume: Any) -> str:
        """A volume of a tagged server; returns its id."""
        status = volume.pop("status", None)
        volume_id = self.cloud.add_volume(project_id, **volume)
        self.cloud.add_server(project_id, metadata=TAG, volume_ids=[volume_id])
        if status:
            self.cloud.change_volume(volume_id, status=status)
        return volume_id

    # -- what moves --------------------------------------------------------

    def pass_time(self, duration: datetime.timedelta) -> None:
        """Time passes; all processes beat."""
        self.clock.time += duration
        for process in self.processes.values():
            process.beat()

    def lead(self, name: str = "c1") -> int:
        """A cycle of the scheduler."""
        planned = self.processes[name].scheduler.lead()
        self.check()
        return planned

    def retain(self, name: str = "c1") -> int:
        """A round of retention: the scheduler plans deletes."""
        planned = self.processes[name].scheduler.retain()
        self.check()
        return planned

    def work(self, rounds: int = 1) -> None:
        """Rounds of all conductors, a poll period apart."""
        for _ in range(rounds):
            self.pass_time(POLL)
            for process in list(self.processes.values()):
                process.work()
                self.check()

    def backup_cycle(self, status: str = "available") -> int:
        """Lead, start, let Cinder end everything, and poll."""
        planned = self.lead()
        self.work()
        self.cloud.finish_all(status)
        self.work()
        return planned

    # -- what is seen ------------------------------------------------------

    def task_of(self, volume_id: str) -> task.Task:
        """The newest backup task of a volume."""
        return self.store.tasks(kind=task.Kind.BACKUP, volume_id=volume_id)[0]

    def deletes(self) -> list[task.Task]:
        """All delete tasks, newest first."""
        return self.store.tasks(kind=task.Kind.DELETE)

    def rows(self, volume_id: str) -> list[model.Backup]:
        """Rows of a volume's backups, oldest first."""
        return sorted(
            self.store.backups(volume_id=volume_id),
            key=lambda row: (row.created_at, row.attempt),
        )

    def made(self, volume_id: str) -> list[model.CloudBackup]:
        """A volume's backups in Cinder, oldest first."""
        return [
            backup
            for backup in self.cloud.backups.values()
            if backup.volume_id == volume_id
        ]

    def story(self, work: task.Task) -> list[str]:
        """The states that a task went through."""
        return [str(event.to_state) for event in self.store.events(work.id)]

    # -- what is always true -----------------------------------------------

    def check(self) -> None:
        """Raise AssertionError where the world is not as it must be."""
        live = self.store.tasks(states=task.LIVE)
        slots = Counter(work.slot for work in live)
        twice = [slot for slot, count in slots.items() if count > 1]
        assert not twice, f"two live tasks for {twice}"
        unsettled = {work.id for work in live if work.unsettled}
        rows = {row.id: row for row in self.store.backups()}
        attempts: Counter[tuple[str, str]] = Counter()
        good: Counter[str] = Counter()
        for backup in self.cloud.backups.values():
            task_id = backup.metadata.get(naming.METADATA_TASK)
            if task_id is None:
                continue
            row = rows.get(backup.id)
            assert row or task_id in unsettled, (
                f"backup {backup.id} of task {task_id} has no row"
            )
            attempts[task_id, backup.metadata[naming.METADATA_ATTEMPT]] += 1
            if backup.status != "error" and not (row and row.state in LOST):
                good[task_id] += 1
        limit = self.settings.max_running_backups
        running = sum(
            backup.status == "creating"
            and naming.METADATA_TASK in backup.metadata
            for backup in self.cloud.backups.values()
        )
        assert not limit or running <= limit, f"{running} run, not {limit}"
        for made in (attempts, good):
            assert all(count < 2 for count in made.values()), (
                f"made more than once: {made}"
            )


class WorldTest(base.TestCase):
    """A test in a world of its own."""

    def new_world(self, **changes: Any) -> World:
        """A world with other settings than the usual ones."""
        return World(**changes)
