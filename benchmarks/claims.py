# SPDX-License-Identifier: Apache-2.0
"""How fast many processes claim and finish tasks, and whether each is once.

The contest of the functional tests, held with more tasks, on every database:
each task is claimed, started, and fails at once or runs and succeeds, each
move in a transaction of its own. On Galera the processes are spread over the
three nodes.
"""

from __future__ import annotations

import argparse
import contextlib
import pathlib
import sys
import tempfile
from collections.abc import Callable

from benchmarks import arguments
from staffeln.db import migration, session
from staffeln.tests.functional.db import contest, databases
from staffeln.tests.servers import galera, mariadb, postgresql

HEADINGS = (
    "database",
    "tasks",
    "processes",
    "limit",
    "seconds",
    "claims/s",
    "claimed twice",
    "left",
    "most running",
    "run again",
)


def _sqlite(stack: contextlib.ExitStack) -> list[str]:
    folder = stack.enter_context(tempfile.TemporaryDirectory())
    return [f"sqlite:///{pathlib.Path(folder) / 'claims.sqlite'}"]


def _mariadb(stack: contextlib.ExitStack) -> list[str]:
    server = mariadb.MariaDB()
    stack.callback(server.stop)
    return [server.create("claims")]


def _postgresql(stack: contextlib.ExitStack) -> list[str]:
    server = postgresql.PostgreSQL()
    stack.callback(server.stop)
    return [server.create("claims")]


def _galera(stack: contextlib.ExitStack) -> list[str]:
    cluster = galera.Galera()
    stack.callback(cluster.stop)
    cluster.create("claims")
    cluster.catch_up()
    return [cluster.url("claims", node) for node in range(galera.NODES)]


DATABASES: dict[str, Callable[[contextlib.ExitStack], list[str]]] = {
    "sqlite": _sqlite,
    "mariadb": _mariadb,
    "postgresql": _postgresql,
    "galera": _galera,
}


def measure(name: str, arguments: argparse.Namespace) -> contest.Outcome:
    """Hold the contest on a database of its own."""
    with contextlib.ExitStack() as stack:
        urls = DATABASES[name](stack)
        database = session.connect(
            databases.configuration(urls[0]), create=True
        )
        migration.create_schema(database)
        database.close()
        return contest.hold(
            urls,
            arguments.tasks,
            arguments.processes,
            contest.Limits(
                running=arguments.running, per_project=arguments.per_project
            ),
        )


def is_sound(outcome: contest.Outcome) -> bool:
    """Whether all went as it has to."""
    return (
        not outcome.problems
        and not outcome.claimed_twice
        and not outcome.left
        and outcome.most_running <= outcome.limits.running
        and outcome.most_of_a_project <= outcome.limits.per_project
    )


def _row(name: str, outcome: contest.Outcome) -> list[str]:
    limits = outcome.limits
    return [
        name,
        str(outcome.tasks),
        str(outcome.processes),
        f"{limits.running} ({limits.per_project})",
        f"{outcome.seconds:.1f}",
        f"{outcome.per_second:.0f}",
        str(outcome.claimed_twice),
        str(outcome.left),
        f"{outcome.most_running} ({outcome.most_of_a_project})",
        str(outcome.run_again),
    ]


def _say(cells: list[str]) -> None:
    line = "".join(
        cell.ljust(len(heading) + 3)
        for cell, heading in zip(cells, HEADINGS, strict=True)
    )
    sys.stdout.write(line.rstrip() + "\n")
    sys.stdout.flush()


def main() -> int:
    """Measure and print; 1: something was claimed twice, left or too much."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "databases",
        nargs="*",
        type=arguments.one_of(DATABASES),
        metavar="DATABASE",
        help=", ".join(DATABASES),
    )
    parser.add_argument("--tasks", type=arguments.whole(), default=5000)
    parser.add_argument("--processes", type=arguments.whole(), default=8)
    parser.add_argument(
        "--running",
        type=arguments.whole(),
        default=64,
        help="at once, over all processes",
    )
    parser.add_argument(
        "--per-project",
        type=arguments.whole(),
        default=12,
        help="of one project at once",
    )
    options = parser.parse_args()
    _say(list(HEADINGS))
    sound = True
    for name in options.databases or DATABASES:
        outcome = measure(name, options)
        _say(_row(name, outcome))
        sound &= is_sound(outcome)
        for line in outcome.problems:
            sys.stdout.write(f"{line}\n")
    return 0 if sound else 1


if __name__ == "__main__":
    arguments.leave(main)
