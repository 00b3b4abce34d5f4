# SPDX-License-Identifier: Apache-2.0
"""How fast backups start, and what each costs from plan to record.

A simulated cloud answers after so many milliseconds. A scheduler plans, a
worker with the options' own values claims and starts; when all are running
they end, and the worker records it. Each line is a process of its own that
is scheduler and worker at once; its statements are those of the whole
time, the cycle's own too.

``by itself`` is how it would be without doing anything together: one task
after the other is claimed, started, read until it has ended, and recorded,
each step in a transaction of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import threading
import time
from collections import Counter
from collections.abc import Iterator

from benchmarks import arguments
from benchmarks.cloud import Counts, Shape, Simulated
from benchmarks.scale import serving, targets
from benchmarks.scale.measuring import Cost, Meter, apart
from benchmarks.scale.serving import ME, Conductor, Place
from benchmarks.scale.tables import Table, ratio
from staffeln import ports
from staffeln.domain import model, naming, task
from staffeln.workflow import observing

HEADINGS = (
    "backups",
    "how" + 22 * " ",
    "starts/s",
    "floor",
    "of it  ",
    "x one ",
    "CPU ms each",
    "calls each",
    "tokens",
    "reads each",
    "writes each",
    "statements each",
    "commits each",
    "MiB",
)
OF_A_PROJECT = 50
"""Volumes."""
WORKING = 4
"""Of so many projects one more asks for no backups."""
SERVICES = 10_000
"""cinder-backup services, so that their limit is none."""
LONGEST = 1800.0
"""Seconds that a run may take."""
ONE = "1 worker"
DEFAULT = "the options' own values"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a run took, from the plan to the last record."""

    backups: int
    starting: float
    """Seconds from the first start to the last."""
    cpu_of_starts: float
    """CPU seconds of that time."""
    cost: Cost
    counts: Counts

    @property
    def rate(self) -> float:
        """Starts in a second."""
        return self.backups / self.starting


class Witness(observing.Observers):
    """Sees how far the tasks have come."""

    def __init__(self) -> None:
        super().__init__()
        self.states: Counter[task.State] = Counter()
        self._lock = threading.Lock()

    def moved(self, before: task.State | None, work: task.Task) -> None:
        """Count it."""
        super().moved(before, work)
        with self._lock:
            self.states[work.state] += 1


# -- in a process of its own -------------------------------------------------


def run(place: Place, backups: int) -> Outcome:
    """Plan, start and record so many backups.

    :raises TimeoutError: they do not end.
    """
    witness = Witness()
    conductor = Conductor(place, witness)
    scheduler = conductor.scheduler()
    worker = conductor.worker()
    serving.counted(place.control)
    meter = Meter(conductor.traffic)
    scheduler.lead()
    began, cpu = time.monotonic(), time.process_time()

    def go_on(state: task.State) -> None:
        """Work as a conductor's loop does, until all were in a state."""
        limit = time.monotonic() + LONGEST
        while witness.states[state] < backups:
            if time.monotonic() > limit:
                raise TimeoutError(f"only {witness.states} of {backups}")
            conductor.woken.clear()
            if not worker.work() and witness.states[state] < backups:
                conductor.woken.wait(worker.rest.total_seconds())

    go_on(task.State.RUNNING)
    starting = time.monotonic() - began
    cpu = time.process_time() - cpu
    serving.ask(place.control, "settle", backup_ids=None, status="available")
    go_on(task.State.SUCCEEDED)
    outcome = Outcome(
        backups,
        starting,
        cpu,
        meter.read(),
        serving.counted(place.control),
    )
    worker.hand_back()
    conductor.close()
    return outcome


def run_by_themselves(place: Place, backups: int) -> Outcome:
    """One task after the other, and each step by itself."""
    conductor = Conductor(place)
    conductor.scheduler().lead()
    deployment = conductor.store.deployment().uuid
    conductor.cloud.backup_services()
    serving.counted(place.control)
    meter = Meter(conductor.traffic)
    began, cpu = time.monotonic(), time.process_time()
    running = [_start_one(conductor, deployment) for _ in range(backups)]
    starting = time.monotonic() - began
    cpu = time.process_time() - cpu
    serving.ask(place.control, "settle", backup_ids=None, status="available")
    for work, row in running:
        _record_one(conductor, work, row)
    outcome = Outcome(
        backups,
        starting,
        cpu,
        meter.read(),
        serving.counted(place.control),
    )
    conductor.close()
    return outcome


def _start_one(
    conductor: Conductor, deployment: str
) -> tuple[task.Task, model.Backup]:
    store = conductor.store
    now = store.now()
    throttle = ports.Throttle(running=8 * SERVICES)
    (work,) = store.claim(ME, task.Kind.BACKUP, 1, now, throttle)
    work = _move(store, work, task.State.STARTING, attempt=1, attempted_at=now)
    backup_id = conductor.cloud.create_backup(
        model.BackupRequest(
            project_id=work.project_id,
            volume_id=work.volume_id,
            name=f"{work.volume_name}",
            incremental=False,
            force=work.volume_status == "in-use",
            metadata=naming.backup_metadata(deployment, work.id, 1),
        )
    )
    row = model.Backup(
        id=backup_id,
        project_id=work.project_id,
        volume_id=work.volume_id,
        task_id=work.id,
        attempt=1,
        state=model.BackupState.CREATING,
        incremental=False,
        created_at=now,
        size=work.volume_size,
    )
    work = _move(
        store, work, task.State.RUNNING, backup=row, backup_id=backup_id
    )
    return work, row


def _record_one(
    conductor: Conductor, work: task.Task, row: model.Backup
) -> None:
    store = conductor.store
    shown = conductor.cloud.backup(row.id)
    _move(
        store,
        work,
        task.State.SUCCEEDED,
        backup=dataclasses.replace(
            row,
            state=model.BackupState.AVAILABLE,
            incremental=shown.incremental,
            created_at=shown.created_at,
            completed_at=store.now(),
        ),
    )


def _move(
    store: ports.Store,
    work: task.Task,
    state: task.State,
    backup: model.Backup | None = None,
    **changes: object,
) -> task.Task:
    after = task.advance(work, state, store.now(), "by itself", **changes)
    change = ports.Change(before=work, after=after, backup=backup)
    (moved,) = store.advance([change], ME)
    return moved


# -- all runs ----------------------------------------------------------------


class Series:
    """Runs, one beside the other."""

    def __init__(
        self,
        table: Table,
        databases: serving.Databases,
        latency: float,
    ) -> None:
        self._table = table
        self._databases = databases
        self._latency = latency
        self.outcomes: dict[tuple[int, str], Outcome] = {}
        self._tokens: list[tuple[targets.Target, int, str]] = []

    def measure(self, backups: int, how: str, workers: int | None) -> None:
        """Let a worker start so many.

        :param workers: its threads; None: by itself, without a worker.
        """
        with self._held(backups) as (shape, place):
            if workers is None:
                found = apart(run_by_themselves, place, backups)
            else:
                found = apart(
                    run, place.changed(backup_workers=workers), backups
                )
            before = self.outcomes.get((backups, how), found)
            self.outcomes[backups, how] = max(
                before, found, key=lambda each: each.rate
            )
            self._tell(how, found, workers or 1)
            self._mind_tokens(shape, found)

    @contextlib.contextmanager
    def _held(self, backups: int) -> Iterator[tuple[Shape, Place]]:
        """A cloud with so many volumes that are due, and more that are not."""
        working = backups // OF_A_PROJECT
        idle = working // WORKING
        volumes = (working + idle) * OF_A_PROJECT
        shape = Shape(
            servers=volumes,
            volumes=volumes,
            projects=working + idle,
            projects_without_work=idle,
            backup_services=SERVICES,
        )
        due = len(shape.selected_volumes)
        if due != backups:
            raise ValueError(
                f"{backups} is no multiple of {OF_A_PROJECT * WORKING}"
            )
        with (
            Simulated(shape) as cloud,
            self._databases.new() as (url, _),
        ):
            cloud.behave(latency=self._latency)
            with serving.placed(url, cloud) as place:
                yield shape, place

    def _tell(self, how: str, found: Outcome, workers: int) -> None:
        floor = workers / self._latency if self._latency else 0.0
        one = next(
            (
                each.rate
                for (_, name), each in self.outcomes.items()
                if name == ONE
            ),
            0.0,
        )
        cost, many = found.cost, found.backups
        self._table.line(
            many,
            how,
            found.rate,
            floor,
            f"{found.rate / floor:.0%}" if floor else "-",
            ratio(found.rate, one),
            found.cpu_of_starts / many * 1000,
            found.counts.calls.total() / many,
            found.counts.tokens.total(),
            cost.reads / many,
            cost.writes / many,
            cost.statements / many,
            cost.commits / many,
            round(cost.at_most),
        )

    def _mind_tokens(self, shape: Shape, found: Outcome) -> None:
        """Each project with work has had one token, and the others none."""
        given = found.counts.tokens
        work = {shape.project_id(each) for each in shape.projects_with_work()}
        others = {
            shape.project_id(each) for each in range(shape.projects)
        } - work
        many = f"{found.backups:,}"
        self._tokens += [
            (targets.tokens(len(work)), sum(given[i] for i in work), many),
            (targets.OTHERS_TOKENS, sum(given[i] for i in others), many),
        ]

    def judge_tokens(self) -> None:
        """Say whether there were no more than are needed."""
        for target, given, many in self._tokens:
            self._table.judge(target, given, many)


def judge(table: Table, series: Series, few: int) -> None:
    """Say which targets were reached."""
    series.judge_tokens()
    one = series.outcomes[few, ONE].rate
    for (backups, how), found in series.outcomes.items():
        if how == DEFAULT:
            each = found.cost.statements / backups
            table.judge(targets.STATEMENTS, each, f"{backups:,}")
            table.judge(targets.STARTS, found.rate / one, f"{backups:,}")


def main() -> int:
    """Measure and print; 1: a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    multiple = arguments.whole(multiple_of=OF_A_PROJECT * WORKING)
    parser.add_argument(
        "--backups", type=multiple, nargs="+", default=[1_000, 10_000]
    )
    parser.add_argument(
        "--workers", type=arguments.whole(), nargs="*", default=[4, 64]
    )
    parser.add_argument(
        "--few",
        type=multiple,
        default=200,
        help="that are started one at a time",
    )
    parser.add_argument(
        "--latency",
        type=arguments.duration,
        default=50,
        help="of each call, ms",
    )
    parser.add_argument("--database", choices=serving.KINDS, default="mariadb")
    options = parser.parse_args()
    table = Table(HEADINGS)
    with contextlib.ExitStack() as stack:
        databases = serving.Databases(options.database, stack)
        series = Series(table, databases, options.latency / 1000)
        series.measure(options.few, ONE, 1)
        series.measure(options.few, "by itself", None)
        first = min(options.backups)
        for backups in sorted(options.backups):
            series.measure(backups, DEFAULT, serving.default_workers())
        # Twice, for whatever else runs then; the faster one counts.
        series.measure(options.few, ONE, 1)
        for workers in options.workers:
            series.measure(first, f"{workers} workers", workers)
    print()
    judge(table, series, options.few)
    return 1 if table.missed else 0


if __name__ == "__main__":
    arguments.leave(main)
