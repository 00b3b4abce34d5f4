# SPDX-License-Identifier: Apache-2.0
"""What a round of retention costs, by what is due and by the history.

A history of so many backups, 20 of each volume and made within 20 days,
with the tasks that made them, is written to a database of its own, and
again with a tenth of them. Then rounds are held, each in a process of its
own: its memory is that process's, at the round's begin and at most (Linux'
VmRSS and VmHWM). All that a round reads of the cloud is served in pages
that are made when they are asked for; a first round harvests, which is
measured by itself as well.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import math
import pathlib
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence

from benchmarks import arguments, history, memory
from benchmarks.scale.measuring import apart
from benchmarks.statements import Plan, Watch
from staffeln import ports
from staffeln.conductor import garbage
from staffeln.db import migration, rows, session
from staffeln.db.store import SqlStore
from staffeln.domain import durations, model, policies, selection, task
from staffeln.tests.functional.db import databases
from staffeln.tests.servers import mariadb, postgresql
from staffeln.tests.unit.workflow import world
from staffeln.workflow.cycle import Scheduler
from staffeln.workflow.harvest import harvest
from staffeln.workflow.outlook import PAGE, Outlook
from staffeln.workflow.removal import removals
from staffeln.workflow.retain import Harvested
from staffeln.workflow.settings import Settings

SLOW = 60.0
"""Seconds that a round may take, unless an operator has agreed to it."""
MOST_CPU = 60.0
"""Seconds of the conductor's CPU that any round over a million may take."""
MOST_MEMORY = 350.0
"""MiB, likewise."""
LARGE = 100_000
"""Backups; of fewer a database rightly reads all where it needs many."""
HEADINGS = (
    "database  ",
    "backups",
    "round" + 33 * " ",
    "seconds",
    "CPU, s",
    "statements",
    "longest, s",
    "MB before",
    "MB at most",
    "planned",
    "governed",
)


# -- the databases -----------------------------------------------------------


def _sqlite(stack: contextlib.ExitStack) -> Callable[[str], str]:
    folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
    return lambda name: f"sqlite:///{folder / name}.sqlite"


def _mariadb(stack: contextlib.ExitStack) -> Callable[[str], str]:
    server = mariadb.MariaDB("--innodb-buffer-pool-size=1G")
    stack.callback(server.stop)
    return server.create


def _postgresql(stack: contextlib.ExitStack) -> Callable[[str], str]:
    server = postgresql.PostgreSQL()
    stack.callback(server.stop)
    return server.create


DATABASES: dict[
    str, Callable[[contextlib.ExitStack], Callable[[str], str]]
] = {
    "sqlite": _sqlite,
    "mariadb": _mariadb,
    "postgresql": _postgresql,
}


# -- one round, in a process of its own --------------------------------------


class Which(enum.Enum):
    """Which round of a scheduler's life is measured."""

    HARVEST = "no round: what one harvest takes"
    FIRST = "the first, which looks at everything"
    LATER = "one after a cycle has read the servers anew"
    NEXT = "one after that, without another cycle"
    AGAIN = "one after the first, without any cycle"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a round took, and what it did."""

    seconds: float
    cpu: float = 0.0
    """Seconds of this process alone."""
    statements: int = 0
    longest: float = 0.0
    """Seconds of the longest statement."""
    before: float = 0.0
    at_most: float = 0.0
    """Megabytes of the process."""
    planned: int = 0
    governed: int = 0
    plans: tuple[Plan, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What something takes of a process and of the database."""

    cpu: float
    """Seconds."""
    statements: int


MOST_SINGLY = 100
"""Volumes that are done one by one; what all would take is told by them."""


def one_by_one(
    url: str, deployment: history.Deployment, due: Sequence[int]
) -> Cost:
    """What it would take to ask for each volume, and to write each delete.

    They are written: the history is to be mended afterwards.
    """
    cloud = history.Cloud(deployment)
    by = settings(deployment.retention_time)
    database = session.connect(databases.configuration(url))
    store = SqlStore(database)
    term = store.take_office("it")
    now = store.now()
    inventory = harvest(cloud, by.rule, None, now=now, thorough=True)
    outlook = Outlook(store, cloud, by, inventory, now)
    some = due[:: max(1, len(due) // MOST_SINGLY)]
    watch = Watch(database.engine)
    busy = time.process_time()
    for volume in some:
        for judged in outlook.judge([history.its_id("volume", volume)]):
            for work in removals(judged.to_delete, now):
                store.write_plan(term, ports.PlanRecord(tasks=[work]), "it")
    times = len(due) / len(some)
    cost = Cost(
        (time.process_time() - busy) * times, round(watch.count * times)
    )
    store.close()
    return cost


def least(url: str, due: Sequence[int]) -> Cost:
    """Read all backups of the volumes that are due, in bulk, by the driver.

    No rule decides, and nothing is written: no round costs less.
    """
    database = session.connect(databases.configuration(url))
    ids = [history.its_id("volume", each) for each in due]
    names = ", ".join(each.name for each in rows.BACKUP_COLUMNS)
    watch = Watch(database.engine)
    busy = time.process_time()
    with database.engine.connect() as connection:
        for start in range(0, len(ids), PAGE):
            some = "', '".join(ids[start : start + PAGE])
            connection.exec_driver_sql(
                f"SELECT {names} FROM backups WHERE volume_id IN ('{some}')"
            ).all()
    cost = Cost(time.process_time() - busy, watch.count)
    database.close()
    return cost


class _Counting(SqlStore):
    """A database that counts what retention writes anew."""

    governed = 0

    def write_plan(
        self, term: int, plan: ports.PlanRecord, conductor_id: str
    ) -> list[task.Task]:
        self.governed += len(plan.governed)
        return super().write_plan(term, plan, conductor_id)


class _Leader(Scheduler):
    """A scheduler whose cycles of backups are only harvests."""

    def take_note(self, inventory: model.Inventory) -> None:
        """What a cycle of backups leaves to retention."""
        self._last_harvest = Harvested(inventory, time.monotonic(), -math.inf)


def settings(retention_time: str) -> Settings:
    """The options' own values, but for what the history was made by."""
    kept = durations.parse(retention_time)
    return world.settings(
        rule=selection.Rule(
            backup_key=history.BACKUP_KEY,
            retention_key=history.RETENTION_KEY,
            retention_time=kept,
            honour_volume_opt_out=True,
        ),
        retention=policies.RetentionPolicy(
            retention_time=kept,
            minimum=durations.Duration(),
            keep_last=1,
            shortening_grace=7 * history.DAY,
            max_fraction=0.5,
            small_round=50,
        ),
    )


def hold(
    url: str,
    which: Which,
    deployment: history.Deployment,
    before: history.Deployment,
) -> Outcome:
    """Hold one round.

    :param before: what the rounds saw that were held before it.
    """
    garbage.seldom()
    cloud = history.Cloud(before)
    by = settings(deployment.retention_time)
    database = session.connect(databases.configuration(url))
    watch = Watch(database.engine)
    store = _Counting(database)
    scheduler = _Leader(store, cloud, by, "it", held=lambda: True)
    scheduler.take_office()
    if which in (Which.LATER, Which.NEXT):
        scheduler.retain()
        cloud.deployment = deployment
        scheduler.take_note(harvest(cloud, by.rule, None, now=store.now()))
    if which in (Which.NEXT, Which.AGAIN):
        scheduler.retain()
    cloud.deployment = deployment
    watch.forget()
    store.governed = 0
    at_first = memory.begin()
    began = time.monotonic()
    busy = time.process_time()
    planned = 0
    if which is Which.HARVEST:
        # Kept, so that its memory counts.
        now = store.now()
        scheduler.take_note(
            harvest(cloud, by.rule, None, now=now, thorough=True)
        )
    else:
        planned = scheduler.retain()
    busy = time.process_time() - busy
    seconds = time.monotonic() - began
    outcome = Outcome(
        seconds=seconds,
        cpu=busy,
        statements=watch.count,
        longest=watch.longest,
        before=at_first,
        at_most=memory.megabytes("VmHWM"),
        planned=planned,
        governed=store.governed,
        plans=tuple(watch.plans()),
    )
    store.close()
    return outcome


# -- all rounds on one database ----------------------------------------------


class Series:
    """Rounds on one database, and whether they did what they had to."""

    def __init__(self, name: str, url: str, backups: int) -> None:
        self.name = name
        self.sound = True
        self.outcomes: dict[str, Outcome] = {}
        self._url = url
        self._now = history.Deployment(backups, history.now())
        self._database = session.connect(
            databases.configuration(url), create=True
        )

    @property
    def deployment(self) -> history.Deployment:
        """As the database has it."""
        return self._now

    def write(self) -> None:
        """Make the schema and the history."""
        began = time.monotonic()
        migration.create_schema(self._database)
        history.write(self._database, self._now)
        self._say("(written)", Outcome(time.monotonic() - began))

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    def hold(
        self,
        case: str,
        which: Which = Which.FIRST,
        *,
        planned: int = 0,
        governed: int = 0,
        limit: float = SLOW,
        **changes: object,
    ) -> None:
        """Hold a round and look at what it did.

        :param changes: what is different of the deployment from it on.
        """
        before = self._now
        self._now = dataclasses.replace(before, **changes)  # type: ignore[arg-type]
        found = apart(hold, self._url, which, self._now, before)
        self.outcomes[case] = found
        self._say(case, found)
        self._expect("deletes planned", planned, found.planned)
        self._expect("backups governed anew", governed, found.governed)
        if found.seconds > limit:
            print(f"    SLOW: it took more than {limit:.0f} s")
        if found.cpu > MOST_CPU:
            self.complain(f"it took more than {MOST_CPU:.0f} s of CPU")
        if found.at_most > MOST_MEMORY:
            self.complain(f"it took more than {MOST_MEMORY:.0f} MB")
        for plan in found.plans:
            if plan.scans and self._now.backups >= LARGE:
                self.complain(
                    f"a table is read as a whole: {plan.statement}: "
                    + "; ".join(plan.lines)
                )

    def compare(self, case: str, due: Sequence[int]) -> None:
        """Hold a case against the floor, and against the naive way."""
        found = self.outcomes[case]
        harvested = self.outcomes[HARVEST_ALONE]
        history.forget_deletes(self._database)
        floor = apart(least, self._url, due)
        naive = apart(one_by_one, self._url, self._now, due)
        history.forget_deletes(self._database)
        cpu = max(found.cpu - harvested.cpu, 0.01)
        print(
            f"    beside the harvest {cpu:.2f} s CPU, {cpu / floor.cpu:.1f} x "
            f"the floor ({floor.cpu:.2f} s, {floor.statements} statements: "
            "the rows of these volumes read by the driver); each volume and "
            f"each delete by itself: {naive.cpu:.2f} s, {naive.statements} "
            f"statements, {naive.cpu / cpu:.1f} x the CPU, "
            f"{naive.statements / found.statements:.1f} x the statements",
            flush=True,
        )

    def make_due(self, volumes: Iterable[int], older: int) -> int:
        """Let backups of volumes be older; how many are to go."""
        chosen = list(volumes)
        history.age(self._database, chosen, older)
        return self._now.expired(chosen, older)

    def undo(self, volumes: Iterable[int], older: int) -> None:
        """As it was before backups of volumes expired and were planned."""
        history.forget_deletes(self._database)
        history.age(self._database, volumes, -older)

    def confirm(self) -> None:
        """Let the round happen that waits, as an operator does."""
        SqlStore(self._database).confirm_breaker()
        history.learn(self._database)

    def complain(self, what: str) -> None:
        """Say what is not as it has to be."""
        self.sound = False
        print(f"    UNSOUND: {what}")

    def _expect(self, what: str, wanted: int, found: int) -> None:
        if wanted != found:
            self.complain(f"{what}: {found}, not {wanted}")

    def _say(self, case: str, found: Outcome) -> None:
        say(
            [
                self.name,
                str(self._now.backups),
                case,
                f"{found.seconds:.2f}",
                f"{found.cpu:.2f}",
                str(found.statements),
                f"{found.longest:.2f}",
                f"{found.before:.0f}",
                f"{found.at_most:.0f}",
                str(found.planned),
                str(found.governed),
            ]
        )


HARVEST_ALONE = "(harvest alone)"
NOTHING_DUE = "nothing due, first round"
NOTHING_NEW = "nothing due, after a cycle"
IDLE = "nothing due, nothing read"
SOME_DUE = "2 % of the volumes due"
PLANNED_ALREADY = "  planned already"
CONFIRMED = "  confirmed"
FEW_DUE = "as many due as in a tenth"


def hold_usual(series: Series) -> None:
    """What is compared between histories."""
    series.hold(HARVEST_ALONE, Which.HARVEST)
    series.hold(NOTHING_DUE)
    series.hold(NOTHING_NEW, Which.LATER)
    series.hold(IDLE, Which.NEXT)
    due = range(0, series.deployment.volumes, 50)
    series.hold(SOME_DUE, planned=series.make_due(due, 25))
    series.hold(PLANNED_ALREADY)
    series.compare(SOME_DUE, due)
    series.undo(due, 25)


def hold_others(series: Series) -> None:
    """What a history is put through once."""
    volumes = range(series.deployment.volumes)
    few = volumes[: len(volumes) // 500]
    series.hold(FEW_DUE, planned=series.make_due(few, 25))
    series.undo(few, 25)
    series.hold(
        "1 of 100 servers has a new value",
        Which.LATER,
        governed=series.deployment.backups_of_servers(history.is_to_change),
        changed=True,
    )
    series.hold(
        "retention_time longer for all",
        governed=series.deployment.backups_of_servers(
            lambda each: series.deployment.own_retention(each) is None
        ),
        retention_time=history.LONGER,
        limit=10 * SLOW,
    )
    most = volumes[: len(volumes) * 4 // 5]
    due = series.make_due(most, 31)
    series.hold("more than half expired: the breaker")
    series.hold("  the next one, which waits for a yes", Which.AGAIN)
    series.confirm()
    series.hold(CONFIRMED, planned=due, limit=30 * SLOW)
    series.hold("  all of them planned already")
    series.compare(CONFIRMED, most)


def measure(name: str, arguments: argparse.Namespace) -> bool:
    """Hold all rounds on a kind of database; whether all was sound."""
    found = []
    with contextlib.ExitStack() as stack:
        create = DATABASES[name](stack)
        for backups in (arguments.backups // 10, arguments.backups):
            series = Series(name, create(f"history_{backups}"), backups)
            series.write()
            hold_usual(series)
            found.append(series)
            if backups == arguments.backups:
                hold_others(series)
            series.close()
    small, large = found
    tell_growth(name, small.outcomes, large.outcomes)
    if arguments.plans:
        tell_plans(name, large.outcomes.values())
    return small.sound and large.sound


def tell_growth(
    name: str, small: dict[str, Outcome], large: dict[str, Outcome]
) -> None:
    """Say how much more ten times as much history takes."""
    pairs = [(case, case) for case in small]
    pairs.append((SOME_DUE, FEW_DUE))
    print(f"\n{name}: ten times as much history takes")
    for before, after in pairs:
        was, is_now = small[before], large[after]
        print(
            f"  {after:36}"
            f"{is_now.cpu / max(was.cpu, 0.001):6.1f} x the CPU, "
            f"{is_now.statements / max(was.statements, 1):6.1f} x the "
            "statements, "
            f"{is_now.at_most / was.at_most:5.2f} x the memory"
        )
    print(flush=True)


def tell_plans(name: str, outcomes: Iterable[Outcome]) -> None:
    """Print how each sort of statement is carried out, each way once."""
    told: set[tuple[str, str]] = set()
    for outcome in outcomes:
        for plan in outcome.plans:
            how = re.sub(r"\d[\d.]*", "", " ".join(plan.lines))
            if (plan.statement, how) in told:
                continue
            told.add((plan.statement, how))
            mark = "SCANS " if plan.scans else "sorts " if plan.sorts else ""
            print(
                f"{name}: {mark}{plan.times} x, {plan.longest:.3f} s at "
                f"most: {plan.statement}"
            )
            for line in plan.lines:
                print(f"    {line}")
    print(flush=True)


def say(cells: Sequence[str]) -> None:
    """Print a line of the table."""
    line = "".join(
        cell.ljust(len(heading) + 2)
        for cell, heading in zip(cells, HEADINGS, strict=True)
    )
    print(line.rstrip(), flush=True)


def main() -> int:
    """Measure and print; 1: a round did not do what it had to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "databases",
        nargs="*",
        type=arguments.one_of(DATABASES),
        metavar="DATABASE",
        help=", ".join(DATABASES),
    )
    parser.add_argument(
        "--backups",
        type=arguments.whole(multiple_of=10_000),
        default=1_000_000,
        help="a multiple of 10000, default: 1000000",
    )
    parser.add_argument(
        "--plans", action="store_true", help="print the plans of the queries"
    )
    options = parser.parse_args()
    say(HEADINGS)
    outcomes = [
        measure(name, options) for name in options.databases or DATABASES
    ]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    arguments.leave(main)
