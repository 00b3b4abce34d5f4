# SPDX-License-Identifier: Apache-2.0
"""What a cycle of the scheduler costs: harvest, plan and write.

A simulated cloud of so many volumes, two on each server and 50 in each
project, is harvested by a real scheduler through the real door. Each line
is a process of its own; its processor time, its memory and its statements
are that process's alone. Lists are counted by the cloud.

``one by one`` is how it would be without lists of many: each volume is
read, looked up in the database and planned by itself. It is measured on
fewer of them; what it takes for one can be compared.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import uuid
from collections.abc import Iterator

from benchmarks import arguments
from benchmarks.cloud import Counts, Shape, Simulated
from benchmarks.scale import floors, seeding, serving, targets
from benchmarks.scale.measuring import Cost, Meter, apart
from benchmarks.scale.serving import ME, Conductor, Place
from benchmarks.scale.tables import Table, Taken, ratio, tell_growth
from staffeln import ports
from staffeln.db import rows
from staffeln.domain import model, plan, selection, task
from staffeln.workflow import binding

HEADINGS = (
    "volumes",
    "cycle" + 22 * " ",
    "calls",
    "floor",
    "x       ",
    "others",
    "CPU, s",
    "floor",
    "x       ",
    "ms each",
    "wall, s",
    "MiB",
    "reads",
    "writes",
    "commits",
    "planned",
)
FIRST = "all due, none has a backup"
DUE = "all due"
WAITING = "all are planned already"
IDLE = "nothing due"
SINGLY = "one by one, all due"
OWN_TABLES = frozenset({"conductors", "freshness", "scheduler_term"})
"""What an idle cycle may write: signs of life and the term's fence."""
CENTURY = 3_153_600_000
"""Seconds after which volumes are due, where none is to be."""


@dataclasses.dataclass(frozen=True, slots=True)
class Floor:
    """What a cycle cannot do with less."""

    calls: int
    cpu: float


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a cycle took, and what it did."""

    cost: Cost
    planned: int
    counts: Counts

    @property
    def calls(self) -> int:
        """What was read of servers and volumes."""
        singly = ("/servers/{id}", "/volumes/{id}")
        return self.counts.lists + sum(
            self.counts.of("GET", each) for each in singly
        )


# -- in a process of its own -------------------------------------------------


def lead(place: Place) -> Outcome:
    """One cycle of a scheduler that has just taken office."""
    conductor = Conductor(place)
    binding.prove(conductor.cloud, conductor.store)
    scheduler = conductor.scheduler()
    serving.counted(place.control)
    meter = Meter(conductor.traffic)
    planned = scheduler.lead()
    cost = meter.read()
    conductor.close()
    return Outcome(cost, planned, serving.counted(place.control))


def lead_singly(place: Place, most: int) -> Outcome:
    """The same, for each volume by itself."""
    conductor = Conductor(place)
    term = conductor.store.take_office(ME)
    serving.counted(place.control)
    meter = Meter(conductor.traffic)
    planned = sum(
        _plan_one(conductor, term, server, volume_id)
        for server, volume_id in itertools.islice(
            (
                (server, volume_id)
                for page in conductor.cloud.server_pages()
                for server in page.items
                if selection.selects(conductor.settings.rule, server)
                for volume_id in server.volume_ids
            ),
            most,
        )
    )
    cost = meter.read()
    conductor.close()
    return Outcome(cost, planned, serving.counted(place.control))


def _plan_one(
    conductor: Conductor, term: int, server: model.Server, volume_id: str
) -> int:
    store, by = conductor.store, conductor.settings
    volume = conductor.cloud.volume(volume_id)
    (candidate,) = selection.candidates(
        by.rule, [server], {volume_id: volume}
    ) or (None,)
    if candidate is None:
        return 0
    now = store.now()
    past = store.histories([volume_id]).get(volume_id, model.History())
    decision = plan.decide(candidate, past, by.policy, now)
    if decision.what is not plan.What.BACK_UP:
        return 0
    work = task.Task(
        id=str(uuid.uuid4()),
        kind=task.Kind.BACKUP,
        state=task.State.PLANNED,
        project_id=volume.project_id,
        volume_id=volume.id,
        volume_name=volume.name,
        volume_size=volume.size,
        volume_status=volume.status,
        server_id=server.id,
        server_name=server.name,
        mode=decision.mode,
        reason=decision.why,
        created_at=now,
        updated_at=now,
    )
    return len(store.write_plan(term, ports.PlanRecord(tasks=[work]), ME))


# -- all cycles over one cloud -----------------------------------------------


class Series:
    """Cycles over one cloud, and whether they did what they had to."""

    def __init__(
        self, table: Table, databases: serving.Databases, volumes: int
    ) -> None:
        self.volumes = volumes
        self.outcomes: dict[str, Outcome] = {}
        self._table = table
        self._databases = databases
        self.shape = Shape(
            servers=max(1, volumes // 2),
            volumes=volumes,
            projects=max(1, volumes // 50),
        )

    @property
    def _lists(self) -> int:
        return targets.pages(self.shape.servers) + targets.pages(self.volumes)

    def measure(self, chain: int, singly: int) -> None:
        """Hold all cycles; the last one goes one by one, if any."""
        self.shape = dataclasses.replace(self.shape, chain=0)
        with self._held() as place:
            due = place.changed(backup_min_interval=0)
            self._lead(FIRST, due, self.volumes)
        self.shape = dataclasses.replace(self.shape, chain=chain)
        with self._held() as place:
            idle = place.changed(backup_min_interval=CENTURY)
            due = place.changed(backup_min_interval=0)
            self._lead(IDLE, idle, 0)
            self._lead(DUE, due, self.volumes)
            self._lead(WAITING, due, 0)
        if not singly:
            return
        few = min(singly, self.volumes)
        with self._held() as place:
            due = place.changed(backup_min_interval=0)
            found = apart(lead_singly, due, few)
            self._tell(SINGLY, found, few, few, None)

    @contextlib.contextmanager
    def _held(self) -> Iterator[Place]:
        """A cloud, and a database with all that it has of backups."""
        with (
            Simulated(self.shape) as cloud,
            self._databases.new() as (url, database),
        ):
            seeding.write(database, self.shape, ME)
            with serving.placed(url, cloud) as place:
                yield place

    def _lead(self, case: str, place: Place, planned: int) -> None:
        found = apart(lead, place)
        self.outcomes[case] = found
        floor = self._floor(place, planned)
        self._tell(case, found, planned, self.volumes, floor)
        if planned:
            return
        others = found.cost.written.keys() - OWN_TABLES
        if others:
            self._table.complain(
                f"a cycle that planned nothing wrote to {', '.join(others)}"
            )
        if found.cost.commits > 1:
            self._table.complain(
                f"a cycle that planned nothing wrote {found.cost.commits} "
                "times"
            )

    def _floor(self, place: Place, planned: int) -> Floor:
        cpu = apart(floors.reading_pages, place, "compute", "block-storage")
        if self.shape.chain:
            cpu += apart(floors.reading_rows, place, rows.BACKUPS)
        if planned:
            cpu += apart(
                floors.writing_rows, place, rows.TASKS, "state = 'planned'"
            )
            cpu += apart(
                floors.writing_rows, place, rows.EVENTS, "to_state = 'planned'"
            )
        return Floor(self._lists, cpu)

    def _tell(
        self,
        case: str,
        found: Outcome,
        planned: int,
        volumes: int,
        floor: Floor | None,
    ) -> None:
        cost = found.cost
        everything = found.counts.calls.total()
        calls = floor.calls if floor else self._lists
        self._table.line(
            volumes,
            case,
            found.calls,
            calls,
            ratio(found.calls, calls),
            everything - found.calls,
            cost.cpu,
            floor and floor.cpu,
            ratio(cost.cpu, floor.cpu) if floor else "-",
            cost.cpu / volumes * 1000,
            cost.seconds,
            round(cost.at_most),
            cost.reads,
            cost.writes,
            cost.commits,
            found.planned,
        )
        if found.planned != planned:
            self._table.complain(f"{found.planned} planned, not {planned}")
        if found.counts.tokens.total() > 1:
            self._table.complain(
                f"{found.counts.tokens.total()} tokens for one cycle"
            )


# -- what it comes to --------------------------------------------------------


def judge(table: Table, found: dict[int, Series]) -> None:
    """Say which targets were reached, as far as they were measured."""
    for volumes, series in found.items():
        for case, outcome in series.outcomes.items():
            table.judge(
                targets.list_calls(series.shape.servers, volumes),
                outcome.counts.lists,
                f"{volumes:,}: {case}",
            )
    if 100_000 not in found:
        return
    large = found[100_000].outcomes
    for case in (FIRST, DUE):
        table.judge(targets.CYCLE_CPU, large[case].cost.cpu, case)
        if 50_000 in found:
            half = found[50_000].outcomes[case].cost.cpu
            table.judge(
                targets.CYCLE_GROWTH, large[case].cost.cpu / half, case
            )
    for case, outcome in large.items():
        table.judge(targets.CYCLE_MEMORY, outcome.cost.at_most, case)
    for case in (IDLE, WAITING):
        table.judge(targets.IDLE_CPU, large[case].cost.cpu, case)
        others = sum(
            times
            for name, times in large[case].cost.written.items()
            if name not in OWN_TABLES
        )
        table.judge(targets.IDLE_WRITES, others, case)


def main() -> int:
    """Measure and print; 1: a target was missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--volumes",
        type=arguments.whole(),
        nargs="+",
        default=[1_000, 10_000, 50_000, 100_000],
    )
    parser.add_argument(
        "--chain",
        type=arguments.whole(0),
        default=3,
        help="backups that each volume has",
    )
    parser.add_argument(
        "--singly",
        type=arguments.whole(0),
        default=1_000,
        help="volumes that are read one by one, of the smallest cloud",
    )
    parser.add_argument("--database", choices=serving.KINDS, default="mariadb")
    options = parser.parse_args()
    table = Table(HEADINGS)
    found: dict[int, Series] = {}
    with contextlib.ExitStack() as stack:
        databases = serving.Databases(options.database, stack)
        for volumes in sorted(options.volumes):
            series = Series(table, databases, volumes)
            series.measure(options.chain, 0 if found else options.singly)
            found[volumes] = series
    tell_growth(
        {
            volumes: {
                case: Taken.of(outcome.cost)
                for case, outcome in series.outcomes.items()
            }
            for volumes, series in found.items()
        },
        "volumes",
    )
    judge(table, found)
    return 1 if table.missed else 0


if __name__ == "__main__":
    arguments.leave(main)
