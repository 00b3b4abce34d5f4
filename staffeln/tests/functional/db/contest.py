# SPDX-License-Identifier: Apache-2.0
"""Many processes claim and finish the same tasks, and one looks on.

``contest URL CONDUCTOR RUNNING PER_PROJECT`` is one of them. Each waits for
a line of its input, so that all begin at the same moment. At first they only
claim, so that all seats are taken; after a second line they finish what they
hold, and claim and finish until nothing is left.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence

import sqlalchemy as sa

from staffeln import ports
from staffeln.db import rows, session, urls
from staffeln.db.store import SqlStore
from staffeln.domain import errors, task
from staffeln.tests.functional.db import databases
from staffeln.tests.functional.db.store_case import NOW, planned
from staffeln.tests.servers import process

PROJECTS = 10
"""Small ones; the last one has as many tasks as all others together."""
AT_ONCE = 16
"""Tasks that a process asks for at a time."""
REST = 0.005
"""Seconds that a process rests which got nothing."""
FULL_WITHIN = 60.0
"""Seconds after which the contest goes on though seats are free."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """How many may run at once."""

    running: int
    per_project: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a contest came to."""

    tasks: int
    processes: int
    limits: Limits
    seconds: float
    claimed: int
    claimed_twice: int
    ended: int
    most_running: int
    most_of_a_project: int
    looks: int
    """How often the observer looked."""
    run_again: int
    """Transactions that the database gave up."""
    problems: tuple[str, ...]
    """Last words of processes that failed."""

    @property
    def left(self) -> int:
        """Tasks that did not come to their end."""
        return self.tasks - self.ended

    @property
    def per_second(self) -> float:
        """Claimed tasks, each finished as well."""
        return self.claimed / self.seconds


def hold(
    urls: Sequence[str], tasks: int, processes: int, limits: Limits
) -> Outcome:
    """Plan tasks, let processes work them off, and count.

    :param urls: of one database with a new schema: the nodes of a cluster,
        which the processes use in turn.
    """
    database = connect(urls[0])
    store = SqlStore(database)
    term = store.take_office("scheduler")
    work = [
        planned(
            number, project_id=f"p{min(number % (2 * PROJECTS), PROJECTS)}"
        )
        for number in range(tasks)
    ]
    for first in range(0, tasks, 1000):
        store.write_plan(
            term,
            ports.PlanRecord(tasks=work[first : first + 1000]),
            "scheduler",
        )
    running = [
        _Contestant(urls[number % len(urls)], f"c{number}", limits)
        for number in range(processes)
    ]
    for each in running:
        each.await_ready()
    started = time.monotonic()
    observer = _Observer(database)
    for each in running:
        each.go_on()
    full = min(limits.running, limits.per_project * (PROJECTS + 1), tasks)
    while observer.most < full and time.monotonic() < started + FULL_WITHIN:
        observer.look()
    for each in running:
        each.go_on()
    while any(each.runs for each in running):
        observer.look()
    seconds = time.monotonic() - started
    reports = [each.report() for each in running]
    story = observer.story()
    database.close()
    return Outcome(
        tasks=tasks,
        processes=processes,
        limits=limits,
        seconds=seconds,
        looks=observer.looks,
        run_again=sum(again for again, _ in reports),
        problems=tuple(line for _, lines in reports for line in lines),
        **story,
    )


def connect(url: str) -> session.Database:
    """As a conductor does whose database is a cluster."""
    changes: dict[str, object] = {}
    if urls.normalised(url).get_backend_name() == "mysql":
        changes["mysql_wsrep_sync_wait"] = databases.SYNC_WAIT
    return session.connect(databases.configuration(url, **changes))


class _Observer:
    """Looks at what the database has while the others work."""

    def __init__(self, database: session.Database) -> None:
        self._database = database
        self.most = 0
        self.most_of_a_project = 0
        self.looks = 0

    def look(self) -> None:
        """Count what is held at this moment."""
        table = rows.TASKS
        held = self._database.read(
            lambda connection: connection.execute(
                sa.select(table.c.project_id, sa.func.count())
                .where(table.c.state.in_([each.value for each in task.HELD]))
                .group_by(table.c.project_id)
            ).all()
        )
        numbers = [int(row[1]) for row in held]
        self.most = max(self.most, sum(numbers))
        self.most_of_a_project = max([self.most_of_a_project, *numbers])
        self.looks += 1
        time.sleep(REST)

    def story(self) -> dict[str, int]:
        """What the events tell of all tasks, in the order of their numbers.

        A seat is taken by a transaction that saw it free, so after the one
        that let go of it: the order of the numbers is that of the seats.
        """
        claims: Counter[str] = Counter()
        held: dict[str, str] = {}
        most = most_of_a_project = 0
        ended: set[str] = set()
        for task_id, project_id, state in self._events():
            if state in task.ENDED:
                ended.add(task_id)
                held.pop(task_id, None)
            elif state == task.State.CLAIMED:
                claims[task_id] += 1
                held[task_id] = project_id
                most = max(most, len(held))
                most_of_a_project = max(
                    most_of_a_project, *Counter(held.values()).values()
                )
        return {
            "claimed": len(claims),
            "claimed_twice": sum(number > 1 for number in claims.values()),
            "ended": len(ended),
            "most_running": max(most, self.most),
            "most_of_a_project": max(
                most_of_a_project, self.most_of_a_project
            ),
        }

    def _events(self) -> list[tuple[str, str, str]]:
        events, tasks = rows.EVENTS, rows.TASKS
        return self._database.read(
            lambda connection: [
                (row.task_id, row.project_id, row.to_state)
                for row in connection.execute(
                    sa.select(
                        events.c.task_id, tasks.c.project_id, events.c.to_state
                    )
                    .join(tasks, tasks.c.id == events.c.task_id)
                    .order_by(events.c.id)
                )
            ]
        )


class _Contestant:
    """A process that claims, as the one that holds the contest sees it."""

    def __init__(self, url: str, name: str, limits: Limits) -> None:
        self._name = name
        self._process = subprocess.Popen(
            [
                *process.as_user(None),
                sys.executable,
                "-m",
                __name__,
                url,
                name,
                str(limits.running),
                str(limits.per_project),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def await_ready(self) -> None:
        """Return when it waits for the start."""
        assert self._process.stdout
        word = self._process.stdout.readline()
        if word != READY:
            raise AssertionError(f"{self._name} does not start: {word}")

    def go_on(self) -> None:
        """Let it go: to claim, and then to finish; one that failed cannot."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write("go\n")
            self._process.stdin.flush()

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def report(self) -> tuple[int, list[str]]:
        """Transactions that it ran again, and its problems."""
        said, _ = self._process.communicate()
        try:
            again, problems = json.loads(said.splitlines()[-1])
        except (IndexError, ValueError):
            return 0, [f"{self._name}: {said[-2000:]}"]
        return again, [f"{self._name}: {each}" for each in problems]


# -- in the process that claims ----------------------------------------------

READY = "ready\n"


class _Again(logging.Handler):
    """Counts the transactions that are run again, by their lines."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Count a line."""
        self.count += record.msg.startswith("Transaction is run again")


def compete(store: SqlStore, conductor_id: str, limits: Limits) -> None:
    """Claim until told; then finish until nothing is planned any more."""
    throttle = ports.Throttle(
        running=limits.running, per_project=limits.per_project
    )
    held: list[task.Task] = []
    while not _told():
        held += store.claim(
            conductor_id, task.Kind.BACKUP, AT_ONCE, NOW, throttle
        )
        time.sleep(REST)
    while True:
        won = held or store.claim(
            conductor_id, task.Kind.BACKUP, AT_ONCE, NOW, throttle
        )
        held = []
        for number, work in enumerate(won):
            states = _LIVES[number % len(_LIVES)]
            for state in states:
                work = _move(store, work, state, conductor_id)
        if not won:
            if not store.claimable(task.Kind.BACKUP, NOW):
                return
            time.sleep(REST)


def _told() -> bool:
    return bool(select.select([sys.stdin], [], [], 0)[0])


_LIVES = (
    (task.State.STARTING, task.State.FAILED),
    (task.State.STARTING, task.State.RUNNING, task.State.SUCCEEDED),
)


def _move(
    store: SqlStore, work: task.Task, to_state: task.State, conductor_id: str
) -> task.Task:
    """A move by the task's holder, which nobody may overtake."""
    after = task.advance(work, to_state, NOW, "contest")
    done = store.advance(
        [ports.Change(before=work, after=after)], conductor_id
    )
    if not done:
        raise AssertionError(f"{work.id} is not {work.state} any more")
    return done[0]


def main(url: str, conductor_id: str, limits: Limits) -> None:
    """Take part; the last line says how it went."""
    again = _Again()
    logger = logging.getLogger(session.__name__)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    logger.addHandler(again)
    store = SqlStore(connect(url))
    store.now()
    sys.stdout.write(READY)
    sys.stdout.flush()
    sys.stdin.readline()
    problems = []
    try:
        compete(store, conductor_id, limits)
    except (errors.StaffelnError, AssertionError) as error:
        problems.append(str(error))
    store.close()
    sys.stdout.write(json.dumps([again.count, problems]) + "\n")


if __name__ == "__main__":
    main(
        sys.argv[1],
        sys.argv[2],
        Limits(running=int(sys.argv[3]), per_project=int(sys.argv[4])),
    )
