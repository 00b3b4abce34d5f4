# SPDX-License-Identifier: Apache-2.0
"""What a round of reports costs, by how many tasks have ended.

So many ended tasks of so many projects are written to a database, with
their stories and backups. Then a round is held, in a process of its own: all
in one message, and a message for each project. The messages are rendered as
they are sent, and their bytes are counted; nothing else of them is kept.
Rendering is what a message takes however tasks are read, so its CPU stands
by itself. The cloud answers at once: its calls are counted, and their time
is not in the figures.

Beside it stand the floor, which reads the same rows in one SELECT and
deletes them in one DELETE through the driver, and the naive way, which reads
each task and its backup by themselves and deletes task by task, on some of
the tasks, for what all would take. Neither opens a report, or notes that it
was delivered: a message takes 13 statements of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import math
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from benchmarks import arguments, history, memory, retention
from benchmarks.scale.measuring import apart
from benchmarks.scale.tables import Table, ratio
from benchmarks.statements import Watch
from staffeln import ports
from staffeln.db import migration, rows, session
from staffeln.db.store import SqlStore
from staffeln.domain import receivers, report, summary, task
from staffeln.report import Pages
from staffeln.tests.fakes.fake_cloud import FakeCloud
from staffeln.tests.fakes.post import Witness
from staffeln.tests.functional.db import databases
from staffeln.tests.unit.domain import samples
from staffeln.workflow.press import Press
from staffeln.workflow.protecting import Concerns
from staffeln.workflow.reporting import Reporting
from staffeln.workflow.writer import Writer

HEADINGS = (
    "database  ",
    "  tasks",
    "messages to",
    "messages",
    "  kB in all",
    "rendering, s",
    "the rest, s",
    "floor, s",
    "x      ",
    "naive, s",
    "x      ",
    "statements",
    "    naive",
    "longest, s",
    "MB before",
    "MB at most",
    "calls",
    "left",
)
AT_ONCE = 5000
STORY = 5
"""Events of each task."""
MOST_SINGLY = 300
"""Tasks that are told of one by one; what all take is told by them."""
READERS = {
    "one for all": ("operators@example.org",),
    "one each": (),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a round took, and what it did."""

    messages: int
    kilobytes: float
    rendering: float
    """CPU seconds of this process alone."""
    others: float
    """Likewise: reading, opening, noting, purging."""
    statements: int
    longest: float
    """Seconds of the longest statement."""
    before: float
    at_most: float
    """Megabytes of the process."""
    calls: int
    """Of the cloud."""
    left: int
    """Tasks that are still there: none should be."""


class _Scales:
    """Takes every message, and weighs it."""

    def __init__(self) -> None:
        self.messages = 0
        self.bytes = 0

    def send(
        self, _message_id: str, to: tuple[str, ...], what: report.Rendered
    ) -> ports.Sent:
        self.messages += 1
        self.bytes += len(what.text.encode()) + len(what.html.encode())
        self.bytes += sum(len(each.content) for each in what.attachments)
        return ports.Sent(accepted=to, refused={})

    def close(self) -> None:
        """There is no connection."""


class _Timed:
    """Renders as ever, and counts the CPU that it takes."""

    def __init__(self) -> None:
        self._pages = Pages()
        self.spent = 0.0

    def render(self, what: report.Report) -> report.Rendered:
        began = time.process_time()
        found = self._pages.render(what)
        self.spent += time.process_time() - began
        return found

    def render_summary(self, what: summary.Summary) -> report.Rendered:
        return self._pages.render_summary(what)

    def log_lines(self, what: report.Report) -> tuple[str, ...]:
        return self._pages.log_lines(what)


# -- what there is to tell ---------------------------------------------------


def write(url: str, tasks: int, projects: int) -> None:
    """Fill a new database: of ten tasks one failed and one was a delete."""
    database = session.connect(databases.configuration(url), create=True)
    migration.create_schema(database)
    now = SqlStore(database).now() - 2 * samples.DAY
    for first in range(0, tasks, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, tasks))
        ended = [_task(number, projects, now) for number in numbers]
        with database.engine.begin() as connection:
            connection.execute(
                sa.insert(rows.TASKS),
                [rows.task_values(each) for each in ended],
            )
            connection.execute(
                sa.insert(rows.EVENTS),
                [
                    rows.event_values(None, each, "c1", None)
                    for each in ended
                    for _ in range(STORY)
                ],
            )
            connection.execute(
                sa.insert(rows.BACKUPS),
                [_backup(each) for each in ended if each.backup_id],
            )
    history.learn(database)
    database.close()


def _task(number: int, projects: int, now: Any) -> task.Task:
    failed, delete = number % 10 == 3, number % 10 == 7
    return samples.backup_task(
        f"{number:08}-0000-4000-8000-000000000000",
        kind=task.Kind.DELETE if delete else task.Kind.BACKUP,
        state=task.State.FAILED if failed else task.State.SUCCEEDED,
        mode=None if delete else task.Mode.INCREMENTAL,
        project_id=f"project-{number % projects:05}",
        volume_id=f"volume-{number:08}",
        volume_name=f"the volume with the number {number}",
        server_id=f"server-{number:08}",
        server_name=f"the server with the number {number}",
        volume_size=number % 500 + 1,
        backup_id=None if failed else f"backup-{number:08}",
        reason="volume is in error status" if failed else "available",
        attempt=1,
        attempted_at=now,
        created_at=now,
        updated_at=now,
        finished_at=now + samples.HOUR,
    )


def _backup(work: task.Task) -> dict[str, Any]:
    row = samples.backup(
        work.backup_id or "",
        project_id=work.project_id,
        volume_id=work.volume_id,
        incremental=True,
        updated_at=work.updated_at,
    )
    return rows.backup_values(row)


# -- the ways to tell it, each in a process of its own -----------------------


def hold(url: str, projects: int, readers: tuple[str, ...]) -> Outcome:
    """One round, in this process."""
    database = session.connect(databases.configuration(url))
    store = SqlStore(database)
    term = store.take_office("c1")
    cloud, scales, renderer = FakeCloud(), _Scales(), _Timed()
    for number in range(projects):
        name = f"project-{number:05}"
        cloud.add_project(name, name=f"the project {number}")
        user = cloud.add_user(name, f"{name}@example.org")
        cloud.assign(user, name)
    policy = receivers.Policy(sender="s@example.org", receivers=readers)
    reporting = Reporting(
        store,
        cloud,
        Press(policy=policy, renderer=renderer, mailer=scales),
        Writer(store, "c1", term, lambda _term: True),
        lambda: Concerns(
            cycle=None, notices={}, demands={}, brakes=(), hands=()
        ),
        Witness(),
    )
    watch = Watch(database.engine)
    before = memory.begin()
    busy = time.process_time()
    reporting.round()
    busy = time.process_time() - busy
    outcome = Outcome(
        messages=scales.messages,
        kilobytes=scales.bytes / 1000,
        rendering=renderer.spent,
        others=busy - renderer.spent,
        statements=watch.count,
        longest=watch.longest,
        before=before,
        at_most=memory.megabytes("VmHWM"),
        calls=Counter(each.name for each in cloud.calls).total(),
        left=len(store.tasks()),
    )
    database.close()
    return outcome


def least(url: str) -> retention.Cost:
    """Read all that is told of in bulk, and delete it, by the driver.

    The delete is taken back, which is not counted.
    """
    database = session.connect(databases.configuration(url))
    watch = Watch(database.engine)
    with database.engine.connect() as connection:
        quote = connection.dialect.identifier_preparer.quote
        names = ", ".join(
            f"t.{quote(each.name)}" for each in rows.TASK_COLUMNS
        )
        busy = time.process_time()
        connection.exec_driver_sql(
            f"SELECT {names}, b.incremental, b.created_at FROM tasks t "
            "LEFT JOIN backups b ON b.id = t.backup_id "
            "WHERE t.report_id IS NULL"
        ).all()
        connection.exec_driver_sql("DELETE FROM tasks WHERE report_id IS NULL")
        busy = time.process_time() - busy
        connection.rollback()
    database.close()
    return retention.Cost(busy, watch.count)


def one_by_one(url: str, tasks: int) -> retention.Cost:
    """Read some tasks and their backups, and delete them, one by one.

    All of it is taken back, which is not counted; so a transaction for each
    delete is not either.
    """
    database = session.connect(databases.configuration(url))
    step = max(1, tasks // MOST_SINGLY)
    ids = [
        f"{number:08}-0000-4000-8000-000000000000"
        for number in range(0, tasks, step)
    ]
    table, backups = rows.TASKS, rows.BACKUPS
    watch = Watch(database.engine)
    with database.engine.connect() as connection:
        busy = time.process_time()
        for each in ids:
            work = rows.task_of(
                connection.execute(
                    sa.select(*rows.TASK_COLUMNS).where(table.c.id == each)
                ).one()
            )
            connection.execute(
                sa.select(backups.c.incremental, backups.c.created_at).where(
                    backups.c.id == work.backup_id
                )
            ).one_or_none()
            connection.execute(sa.delete(table).where(table.c.id == each))
        busy = time.process_time() - busy
        connection.rollback()
    database.close()
    times = tasks / len(ids)
    return retention.Cost(busy * times, round(watch.count * times))


# -- all of it ---------------------------------------------------------------


class Series:
    """Rounds on one kind of database."""

    def __init__(self, name: str, table: Table) -> None:
        self._name = name
        self._table = table
        self._found: list[tuple[int, str, Outcome]] = []

    def measure(self, sizes: Sequence[int], projects: int) -> None:
        """Hold both sorts of rounds over each number of tasks."""
        with contextlib.ExitStack() as stack:
            create = retention.DATABASES[self._name](stack)
            for many in sizes:
                for number, (to, readers) in enumerate(READERS.items()):
                    url = create(f"reports_{many}_{number}")
                    write(url, many, projects)
                    floor = apart(least, url)
                    naive = apart(one_by_one, url, many)
                    found = apart(hold, url, projects, readers)
                    self._tell(many, to, found, floor, naive)

    def _tell(
        self,
        many: int,
        to: str,
        found: Outcome,
        floor: retention.Cost,
        naive: retention.Cost,
    ) -> None:
        self._table.line(
            self._name,
            many,
            to,
            found.messages,
            round(found.kilobytes),
            found.rendering,
            found.others,
            floor.cpu,
            ratio(found.others, floor.cpu),
            naive.cpu,
            ratio(naive.cpu, found.others),
            found.statements,
            naive.statements,
            found.longest,
            round(found.before),
            round(found.at_most),
            found.calls,
            found.left,
        )
        self._found.append((many, to, found))
        if found.left:
            self._table.complain(f"{found.left} tasks are left")

    def tell_slopes(self) -> None:
        """Say how the CPU grows: 1.00 is as the tasks do."""
        for to in READERS:
            its = [
                (many, found) for many, way, found in self._found if way == to
            ]
            for (few, small), (many, large) in itertools.pairwise(its):
                grown = math.log(many / few)
                rest = math.log(large.others / small.others) / grown
                made = math.log(large.rendering / small.rendering) / grown
                print(
                    f"  {self._name}, {to}, {few:,} to {many:,} tasks: CPU "
                    f"grows with their power {rest:.2f}, rendering with "
                    f"{made:.2f}",
                    flush=True,
                )


def main() -> int:
    """Measure and print; 1: a round left tasks behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "databases",
        nargs="*",
        type=arguments.one_of(retention.DATABASES),
        metavar="DATABASE",
        help=f"{', '.join(retention.DATABASES)}; default: mariadb",
    )
    parser.add_argument(
        "--tasks",
        type=arguments.whole(),
        nargs="+",
        default=[1_000, 10_000, 100_000],
    )
    parser.add_argument("--projects", type=arguments.whole(), default=300)
    options = parser.parse_args()
    table = Table(HEADINGS)
    for name in options.databases or ["mariadb"]:
        series = Series(name, table)
        series.measure(options.tasks, options.projects)
        series.tell_slopes()
    return 1 if table.missed else 0


if __name__ == "__main__":
    arguments.leave(main)
