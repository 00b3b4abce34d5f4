# SPDX-License-Identifier: Apache-2.0
"""What a round of reports costs, by how many tasks have ended.

So many ended tasks of so many projects are written to a database, with
their stories and backups, and again with a tenth of them. Then a round is
held, in a process of its own: all in one message, and a message for each
project. The messages are rendered as they are sent, and their bytes are
counted; nothing else of them is kept. The cloud answers at once: its calls
are counted, and their time is not in the figures.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Sequence
from concurrent import futures
from typing import Any

import sqlalchemy as sa

from benchmarks import memory, retention
from benchmarks.statements import Watch
from staffeln import ports
from staffeln.db import migration, rows, session
from staffeln.db.store import SqlStore
from staffeln.domain import receivers, report, task
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
    "tasks",
    "projects",
    "messages to",
    "messages",
    "kB in all",
    "seconds",
    "CPU, s",
    "statements",
    "longest, s",
    "MB before",
    "MB at most",
    "calls",
    "left",
)
AT_ONCE = 5000
STORY = 5
"""Events of each task."""
READERS = {
    "one for all": ("operators@example.org",),
    "one each": (),
}


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """What a round took, and what it did."""

    messages: int
    kilobytes: float
    seconds: float
    cpu: float
    """Seconds of this process alone."""
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


def hold(url: str, projects: int, readers: tuple[str, ...]) -> Outcome:
    """One round, in this process."""
    database = session.connect(databases.configuration(url))
    store = SqlStore(database)
    term = store.take_office("c1")
    cloud, scales = FakeCloud(), _Scales()
    for number in range(projects):
        name = f"project-{number:05}"
        cloud.add_project(name, name=f"the project {number}")
        user = cloud.add_user(name, f"{name}@example.org")
        cloud.assign(user, name)
    policy = receivers.Policy(sender="s@example.org", receivers=readers)
    reporting = Reporting(
        store,
        cloud,
        Press(policy=policy, renderer=Pages(), mailer=scales),
        Writer(store, "c1", term, lambda _term: True),
        lambda: Concerns(
            cycle=None, notices={}, demands={}, brakes=(), hands=()
        ),
        Witness(),
    )
    watch = Watch(database.engine)
    before = memory.begin()
    began, busy = time.monotonic(), time.process_time()
    reporting.round()
    busy = time.process_time() - busy
    seconds = time.monotonic() - began
    calls = Counter(each.name for each in cloud.calls)
    outcome = Outcome(
        messages=scales.messages,
        kilobytes=scales.bytes / 1000,
        seconds=seconds,
        cpu=busy,
        statements=watch.count,
        longest=watch.longest,
        before=before,
        at_most=memory.megabytes("VmHWM"),
        calls=calls.total(),
        left=len(store.tasks()),
    )
    database.close()
    return outcome


def measure(name: str, tasks: int, projects: int) -> bool:
    """Hold both sorts of rounds on a database; whether nothing was left."""
    sound = True
    with contextlib.ExitStack() as stack:
        create = retention.DATABASES[name](stack)
        for many in (tasks // 10, tasks):
            for number, (to, readers) in enumerate(READERS.items()):
                url = create(f"reports_{many}_{number}")
                write(url, many, projects)
                with futures.ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn")
                ) as apart:
                    found = apart.submit(hold, url, projects, readers).result()
                say(
                    [
                        name,
                        f"{many:,}",
                        f"{projects:,}",
                        to,
                        f"{found.messages:,}",
                        f"{found.kilobytes:,.0f}",
                        f"{found.seconds:.1f}",
                        f"{found.cpu:.1f}",
                        f"{found.statements:,}",
                        f"{found.longest:.2f}",
                        f"{found.before:.0f}",
                        f"{found.at_most:.0f}",
                        f"{found.calls:,}",
                        f"{found.left:,}",
                    ]
                )
                sound = sound and not found.left
    return sound


def say(cells: Sequence[str]) -> None:
    """Print a line of the table."""
    line = "".join(
        cell.ljust(len(heading) + 2)
        for cell, heading in zip(cells, HEADINGS, strict=True)
    )
    print(line.rstrip(), flush=True)


def main() -> int:
    """Measure and print; 1: a round left tasks behind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "databases",
        nargs="*",
        metavar="DATABASE",
        help=", ".join(retention.DATABASES),
    )
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--projects", type=int, default=300)
    arguments = parser.parse_args()
    for name in arguments.databases:
        if name not in retention.DATABASES:
            parser.error(
                f"{name} is not one of {', '.join(retention.DATABASES)}"
            )
    say(HEADINGS)
    outcomes = [
        measure(name, arguments.tasks, arguments.projects)
        for name in arguments.databases or retention.DATABASES
    ]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
