# SPDX-License-Identifier: Apache-2.0
"""How long it takes until another conductor is the scheduler.

For each coordination backend, on the real service: the holder is killed,
stopped (SIGSTOP) or gives the office back, and another process that tries
every ``lease_retry_period``, as conductors do, takes it. Then the service
itself stands still, and the holder has to notice.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import pathlib
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent import futures

from staffeln import leadership, ports
from staffeln.domain import errors
from staffeln.leadership.holding import boot_time
from staffeln.tests.functional.leadership.suite import Contender
from staffeln.tests.servers import (
    etcd,
    kubernetes,
    mariadb,
    redis,
    zookeeper,
)

CELLS = ("kill -9", "SIGSTOP", "polite stop", "service frozen")
COUNTED = 30.0
"""Seconds for which calls to the API server are counted."""


@dataclasses.dataclass(frozen=True)
class Backend:
    """One backend with its service, which may be frozen."""

    name: str
    settings: leadership.Settings
    freeze: Callable[[], None] | None = None
    thaw: Callable[[], None] = lambda: None


@dataclasses.dataclass
class Figures:
    """What was measured of a backend: seconds by cell."""

    seconds: dict[str, list[float | None]] = dataclasses.field(
        default_factory=lambda: {name: [] for name in CELLS}
    )
    believed: int = 0
    """How often a stopped holder still believed that it held, when another
    had taken office."""


def main() -> int:
    """Measure, and print one table."""
    options = _parser().parse_args()
    # What a frozen service makes holders say is not the news here.
    logging.disable(logging.WARNING)
    durations = (5, 3, 1) if options.quick else (15, 10, 2)
    lease, deadline, retry = durations
    print(
        f"lease {lease} s, deadline {deadline} s, retry {retry} s; "
        f"{options.rounds} rounds, some "
        f"{options.rounds * (4 * lease + 5) + COUNTED:.0f} s\n",
        flush=True,
    )
    with (
        tempfile.TemporaryDirectory() as folder,
        _backends(pathlib.Path(folder), *durations) as (backends, server),
        futures.ThreadPoolExecutor(len(backends)) as threads,
    ):
        running = {
            each.name: threads.submit(_measure, each, options.rounds)
            for each in backends
        }
        found = {name: each.result() for name, each in running.items()}
        _print_table(found, rst=options.rst)
        _print_calls(backends[-1], server)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmarks/takeover.py", description=__doc__
    )
    parser.add_argument("--rounds", type=int, default=3, help="of each (3)")
    parser.add_argument(
        "--quick", action="store_true", help="with a lease of 5 s, not 15"
    )
    parser.add_argument(
        "--rst", action="store_true", help="the table as the docs have it"
    )
    return parser


@contextlib.contextmanager
def _backends(
    folder: pathlib.Path, lease: int, deadline: int, retry: int
) -> Iterator[tuple[list[Backend], kubernetes.Kubernetes]]:
    """All backends, with their services."""

    def settings(url: str, kubeconfig: str = "") -> leadership.Settings:
        return leadership.Settings(
            backend_url=url,
            state_path=str(folder),
            kubeconfig=kubeconfig,
            lease_duration=lease,
            lease_renew_deadline=deadline,
            lease_retry_period=retry,
        )

    with contextlib.ExitStack() as stack:
        of_etcd, of_redis = etcd.Etcd(), redis.Redis()
        of_zookeeper, of_mariadb = zookeeper.ZooKeeper(), mariadb.MariaDB()
        server = kubernetes.Kubernetes()
        for each in (of_etcd, of_redis, of_zookeeper, of_mariadb, server):
            stack.callback(each.stop)
        url = of_mariadb.create("locks").replace("mysql+pymysql", "mysql")
        kubeconfig = server.kubeconfig(
            folder / "kubeconfig", server.make_namespace()
        )
        yield (
            [
                Backend("file", settings("")),
                Backend("mysql (MariaDB)", settings(url)),
                Backend(
                    "etcd3+http",
                    settings(of_etcd.url),
                    of_etcd.freeze,
                    of_etcd.thaw,
                ),
                Backend(
                    "redis",
                    settings(of_redis.url),
                    of_redis.freeze,
                    of_redis.thaw,
                ),
                Backend(
                    "zookeeper",
                    settings(of_zookeeper.url),
                    of_zookeeper.freeze,
                    of_zookeeper.thaw,
                ),
                Backend(
                    "Kubernetes Lease",
                    settings("", kubeconfig),
                    server.freeze,
                    server.thaw,
                ),
            ],
            server,
        )


# -- one backend -------------------------------------------------------------


def _measure(backend: Backend, rounds: int) -> Figures:
    figures = Figures()
    for _ in range(rounds):
        for cell, strike in (
            ("kill -9", lambda each: each.signal(signal.SIGKILL)),
            ("SIGSTOP", lambda each: each.signal(signal.SIGSTOP)),
            ("polite stop", lambda each: each.send("release")),
        ):
            took, believed = _take_over(backend, strike)
            figures.seconds[cell].append(took)
            figures.believed += believed
        figures.seconds["service frozen"].append(_cut_off(backend))
    return figures


def _take_over(
    backend: Backend, strike: Callable[[Contender], object]
) -> tuple[float | None, bool]:
    """Seconds until another process holds; None: never while it waited.

    And whether the first one believes, when it goes on, that it holds too.
    """
    settings = backend.settings
    holder = Contender(settings, "holder")
    office = leadership.connect(settings, "next")
    try:
        _until(lambda: holder.ask("acquire"), settings)
        # Somewhere in a period, as in life; a follower has seen the holder.
        office.acquire()
        time.sleep(settings.lease_retry_period)
        struck = boot_time()
        strike(holder)
        took = None
        if _until(lambda: _tried(office), settings):
            took = boot_time() - struck
        holder.signal(signal.SIGCONT)
        alive = holder.process.poll() is None
        believed = took is not None and alive and _believes(holder)
        return took, believed
    finally:
        office.close()
        holder.end()


def _believes(holder: Contender) -> bool:
    # What was asked of it before is answered first.
    with contextlib.suppress(OSError, ValueError):
        holder.send("held")
        answers = [holder.receive()]
        while answers[-1] not in ("True", "False"):
            if not answers[-1]:
                return False
            answers.append(holder.receive())
        return answers[-1] == "True"
    return False


def _cut_off(backend: Backend) -> float | None:
    """Seconds until a holder stops believing, when its service hangs."""
    if backend.freeze is None:
        return None
    office = leadership.connect(backend.settings, "cut off")
    try:
        _until(lambda: _tried(office), backend.settings)
        time.sleep(backend.settings.lease_retry_period)
        backend.freeze()
        frozen = boot_time()
        while office.held():
            time.sleep(0.01)
        return boot_time() - frozen
    finally:
        backend.thaw()
        office.close()


def _tried(office: ports.Leadership) -> bool:
    try:
        return office.acquire()
    except errors.CoordinationError:
        return False


def _until(happens: Callable[[], bool], settings: leadership.Settings) -> bool:
    """Try in each retry period, for twice the lease and a little more."""
    end = boot_time() + 2 * settings.lease_duration + 5
    while not happens():
        if boot_time() > end:
            return False
        time.sleep(settings.lease_retry_period)
    return True


# -- what is printed ---------------------------------------------------------


def _print_table(found: dict[str, Figures], *, rst: bool) -> None:
    width = max(map(len, found))
    rule = " ".join(["=" * width, *["=" * 18 for _ in CELLS]])
    rows = [
        " ".join(
            [name.ljust(width)]
            + [_cell(figures.seconds[cell]).ljust(18) for cell in CELLS]
        )
        for name, figures in found.items()
    ]
    head = " ".join(["backend".ljust(width), *[x.ljust(18) for x in CELLS]])
    lines = [head, *rows]
    if rst:
        lines = [rule, head, rule, *rows, rule]
    print("\n".join(line.rstrip() for line in lines))
    believed = {name: each.believed for name, each in found.items()}
    print(f"\nheld by two at once, when the first went on: {believed}")


def _cell(seconds: list[float | None]) -> str:
    """Least, middle and most."""
    known = [each for each in seconds if each is not None]
    if not known:
        return "never"
    parts = (min(known), statistics.median(known), max(known))
    return " / ".join(f"{each:.1f}" for each in parts)


def _print_calls(backend: Backend, server: kubernetes.Kubernetes) -> None:
    """Calls to the API server, of a holder and of one that waits."""
    holder = Contender(backend.settings, "holder")
    office = leadership.connect(backend.settings, "waits")
    namespace = _namespace(backend)
    try:
        _until(lambda: holder.ask("acquire"), backend.settings)
        before = server.requests(namespace)
        end = boot_time() + COUNTED
        while boot_time() < end:
            _tried(office)
            time.sleep(backend.settings.lease_retry_period)
        calls = server.requests(namespace) - before
    finally:
        office.close()
        holder.end()
    for (agent, verb), count in sorted(calls.items()):
        print(f"{agent}: {verb} {count / COUNTED * 60:.0f} per minute")


def _namespace(backend: Backend) -> str:
    """The namespace of a backend's Lease."""
    from staffeln.leadership import lease

    return lease.namespace(backend.settings)


if __name__ == "__main__":
    sys.exit(main())
