# SPDX-License-Identifier: Apache-2.0
"""What a round costs that looks after running backups.

So many backups of one conductor are creating in a simulated cloud, begun
one after the other, and some of them end; of each volume there is an older
backup. Then the conductor holds one round of its work. Each line is a
process of its own that has held such a round before, in which nothing had
ended.

``one by one`` is how it would be without lists: each running backup is
read by itself, and each that ended is recorded by itself.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
from collections.abc import Iterator, Sequence

from benchmarks import arguments
from benchmarks.cloud import Counts, Shape, Simulated
from benchmarks.scale import floors, seeding, serving, targets
from benchmarks.scale.measuring import Cost, Meter, apart
from benchmarks.scale.serving import ME, Conductor, Place
from benchmarks.scale.tables import Table, Taken, ratio, tell_growth
from staffeln import ports
from staffeln.db import rows
from staffeln.domain import model, task

HEADINGS = (
    "running",
    "ended" + 15 * " ",
    "calls ",
    "floor",
    "x       ",
    "CPU, s",
    "floor",
    "x       ",
    "ms each",
    "wall, s",
    "MiB",
    "statements",
    "floor",
    "x       ",
    "commits",
    "recorded",
)
A_SECOND = 30
"""Backups that were begun in each second."""
SINGLY = "one by one"
LARGE = 10_000
"""Running backups for which the targets are."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a round took, and what it did."""

    cost: Cost
    recorded: int
    counts: Counts

    @property
    def calls(self) -> int:
        """All of them, to any service."""
        return self.counts.calls.total()


@dataclasses.dataclass(frozen=True, slots=True)
class Floor:
    """What a round cannot do with less."""

    calls: int
    cpu: float
    statements: int


# -- in a process of its own -------------------------------------------------


def poll(place: Place, ended: Sequence[str]) -> Outcome:
    """One round of a worker, after one in which nothing had ended."""
    conductor = Conductor(
        place, task_poll_period=datetime.timedelta(microseconds=1)
    )
    worker = conductor.worker()
    worker.work()
    if ended:
        serving.ask(
            place.control, "settle", backup_ids=ended, status="available"
        )
    serving.counted(place.control)
    meter = Meter(conductor.traffic)
    recorded = worker.work()
    cost = meter.read()
    counts = serving.counted(place.control)
    conductor.close()
    return Outcome(cost, recorded, counts)


def poll_singly(place: Place, ended: Sequence[str], most: int) -> Outcome:
    """A call for each of some running ones, a transaction for each ended."""
    conductor = Conductor(place)
    store = conductor.store
    tasks = store.tasks(
        kind=task.Kind.BACKUP, states=[task.State.RUNNING], claimed_by=[ME]
    )
    conductor.cloud.backup_services()
    _end(place, ended)
    chosen = sorted(
        tasks, key=lambda each: each.backup_id not in frozenset(ended)
    )
    serving.counted(place.control)
    meter = Meter(conductor.traffic)
    recorded = sum(_look_at(conductor, work) for work in chosen[:most])
    cost = meter.read()
    counts = serving.counted(place.control)
    conductor.close()
    return Outcome(cost, recorded, counts)


def _end(place: Place, ended: Sequence[str]) -> None:
    """Let Cinder be done with some backups."""
    if ended:
        serving.ask(
            place.control, "settle", backup_ids=ended, status="available"
        )


def _look_at(conductor: Conductor, work: task.Task) -> int:
    store = conductor.store
    row = store.get_backup(str(work.backup_id))
    shown = conductor.cloud.backup(str(work.backup_id))
    if row is None or shown.status == "creating":
        return 0
    now = store.now()
    change = ports.Change(
        before=work,
        after=task.advance(work, task.State.SUCCEEDED, now, "available"),
        backup=dataclasses.replace(
            row, state=model.BackupState.AVAILABLE, completed_at=now
        ),
        record=store.volume_record(work.volume_id),
    )
    return len(store.advance([change], ME))


def floor_before(place: Place) -> float:
    """CPU seconds of reading what is running, in both places."""
    return (
        floors.reading_pages(place, "creating")
        + floors.reading_rows(place, rows.TASKS, "state = 'running'")
        + floors.reading_rows(place, rows.BACKUPS, "state = 'creating'")
    )


def floor_after(place: Place) -> float:
    """CPU seconds of writing what has ended."""
    ours = f"SELECT id FROM tasks WHERE claimed_by = '{ME}'"  # nosec B608
    ended = "state = 'succeeded'"
    return (
        floors.writing_rows(place, rows.TASKS, f"{ended} AND id IN ({ours})")
        + floors.writing_rows(
            place,
            rows.BACKUPS,
            f"state = 'available' AND task_id IN ({ours})",
        )
        + floors.writing_rows(place, rows.EVENTS, f"to_{ended}")
    )


# -- all rounds over one number of backups -----------------------------------


class Series:
    """Rounds over so many running backups."""

    def __init__(
        self, table: Table, databases: serving.Databases, running: int
    ) -> None:
        self.running = running
        self.outcomes: dict[str, Outcome] = {}
        self._table = table
        self._databases = databases
        self._shape = Shape(
            servers=running,
            volumes=running,
            projects=max(1, running // 50),
            chain=1,
            creating=running,
            creating_for=running // A_SECOND,
        )

    def measure(self, singly: int) -> None:
        """Hold rounds; at last one by one, over some of them."""
        tenth = self.running // 10
        for case, ended in (
            ("none", range(0)),
            ("one, in the middle", [self.running // 2]),
            (f"{tenth:,}, the oldest", range(tenth)),
            (f"{tenth:,}, anywhere", range(5, self.running, 10)),
            (
                f"{tenth:,}, the newest",
                range(self.running - tenth, self.running),
            ),
        ):
            with self._held() as place:
                before = apart(floor_before, place)
                found = apart(poll, place, self._ids(ended))
                after = apart(floor_after, place) if ended else 0.0
                self.outcomes[case] = found
                self._tell(case, found, ended, before + after)
        if singly:
            few = min(singly, self.running)
            ended = range(few // 10)
            with self._held() as place:
                found = apart(poll_singly, place, self._ids(ended), few)
                self._tell(
                    f"{SINGLY}, {len(ended):,}", found, ended, None, few
                )

    @contextlib.contextmanager
    def _held(self) -> Iterator[Place]:
        with (
            Simulated(self._shape) as cloud,
            self._databases.new() as (url, database),
        ):
            seeding.write(database, self._shape, ME)
            with serving.placed(url, cloud) as place:
                yield place

    def _ids(self, places: Sequence[int]) -> list[str]:
        return [
            self._shape.backup_id(self._shape.completed + each)
            for each in places
        ]

    def _tell(
        self,
        case: str,
        found: Outcome,
        ended: Sequence[int],
        cpu: float | None,
        running: int | None = None,
    ) -> None:
        running = running or self.running
        cost = found.cost
        floor = Floor(
            calls=targets.pages(running),
            cpu=cpu or 0.0,
            statements=2 + (4 if ended else 0),
        )
        self._table.line(
            running,
            case,
            found.calls,
            floor.calls,
            ratio(found.calls, floor.calls),
            cost.cpu,
            cpu,
            ratio(cost.cpu, floor.cpu),
            cost.cpu / running * 1000,
            cost.seconds,
            round(cost.at_most),
            cost.statements,
            floor.statements,
            ratio(cost.statements, floor.statements),
            cost.commits,
            found.recorded,
        )
        if found.recorded != len(ended):
            self._table.complain(
                f"{found.recorded} were recorded, not {len(ended)}"
            )


def main() -> int:
    """Measure and print; 1: a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--running",
        type=arguments.whole(),
        nargs="+",
        default=[1_000, LARGE, 100_000],
    )
    parser.add_argument(
        "--singly",
        type=arguments.whole(0),
        default=1_000,
        help="backups that are read one by one, of the fewest",
    )
    parser.add_argument("--database", choices=serving.KINDS, default="mariadb")
    options = parser.parse_args()
    table = Table(HEADINGS)
    found: dict[int, Series] = {}
    with contextlib.ExitStack() as stack:
        databases = serving.Databases(options.database, stack)
        for running in sorted(options.running):
            series = Series(table, databases, running)
            series.measure(0 if found else options.singly)
            found[running] = series
    tell_growth(
        {
            running: {
                case.rpartition(", ")[2]: Taken.of(outcome.cost)
                for case, outcome in series.outcomes.items()
            }
            for running, series in found.items()
        },
        "running backups",
    )
    if LARGE in found:
        for case, outcome in found[LARGE].outcomes.items():
            table.judge(targets.POLL_CALLS, outcome.calls, case)
            table.judge(targets.POLL_CPU, outcome.cost.cpu, case)
    return 1 if table.missed else 0


if __name__ == "__main__":
    arguments.leave(main)
