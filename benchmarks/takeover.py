# SPDX-License-Identifier: Apache-2.0
"""How long it takes until another conductor is the scheduler.

For each coordination backend, on the real service: the holder is killed,
stopped (SIGSTOP) or gives the office back, and another contender that tries
every ``lease_retry_period``, as conductors do, takes it. Then the service
itself stands still, and the holder has to notice.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import functools
import logging
import os
import pathlib
import random
import signal
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent import futures

from benchmarks import arguments, services
from benchmarks.services import Backend
from staffeln import leadership, ports
from staffeln.domain import errors
from staffeln.leadership.holding import boot_time
from staffeln.tests.functional.leadership.suite import Contender

STRIKES: dict[str, Callable[[Contender], None]] = {
    "kill -9": lambda holder: holder.signal(signal.SIGKILL),
    "SIGSTOP": lambda holder: holder.signal(signal.SIGSTOP),
    "polite stop": lambda holder: holder.send("release"),
}
FROZEN = "service frozen"
RESUMED = "holds after SIGCONT"
HEADINGS = ("backend", *STRIKES, RESUMED, FROZEN)
COUNTED = 60
"""Seconds for which calls to the API server are counted."""
START = 30
"""Seconds that the services take to come up, about."""


class SpoiltError(Exception):
    """A measurement did not begin as it has to."""


@dataclasses.dataclass
class Figures:
    """What was measured of a backend."""

    seconds: dict[str, list[float | None]] = dataclasses.field(
        default_factory=lambda: {name: [] for name in (*STRIKES, FROZEN)}
    )
    """By cell; None: not while it was waited for."""
    resumed: list[bool] = dataclasses.field(default_factory=list)
    """Whether a holder that went on was seen holding, after each SIGSTOP."""


def main() -> int:
    """Measure, and print one table; 1: what never may happen happened."""
    options = _parser().parse_args()
    # What a frozen service makes holders say is not the news here.
    logging.disable(logging.ERROR)
    durations = (5, 3, 1) if options.quick else (15, 10, 2)
    _announce(options.rounds, *durations)
    with (
        tempfile.TemporaryDirectory() as folder,
        services.started(pathlib.Path(folder), *durations) as started,
        futures.ThreadPoolExecutor(len(started.backends)) as threads,
    ):
        # As a conductor does. It also loads the clients in this thread: tooz
        # looks for eventlet, and a thread that loads that is never joined.
        for each in started.backends:
            leadership.probe(each.settings)
        running = {
            each: threads.submit(_measure, each, options.rounds)
            for each in started.backends
        }
        found = {each: future.result() for each, future in running.items()}
        print(_table(found, rst=options.rst), end="\n\n")
        for line in _calls(started):
            print(line)
        for name, version in started.versions.items():
            print(f"{name} {version}")
    print(f"load at the end: {_load()}")
    problems = [each for pair in found.items() for each in _problems(*pair)]
    for problem in problems:
        print(f"WRONG: {problem}")
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.takeover", description=__doc__
    )
    parser.add_argument(
        "--rounds", type=arguments.whole(), default=3, help="of each (3)"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="durations of 5, 3 and 1 s instead of 15, 10 and 2 s",
    )
    parser.add_argument(
        "--rst", action="store_true", help="the table as the docs have it"
    )
    return parser


def _announce(rounds: int, lease: int, deadline: int, retry: int) -> None:
    one_round = _patience(lease) + lease + deadline + 8 * retry
    print(
        f"lease_duration {lease} s, lease_renew_deadline {deadline} s, "
        f"lease_retry_period {retry} s; {rounds} rounds\n"
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, "
        f"{os.cpu_count()} cores, load {_load()}\n"
        f"All backends at once: some {START + rounds * one_round + COUNTED} s"
        "\n",
        flush=True,
    )


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def _patience(lease_duration: int) -> int:
    """Seconds after which nobody will take office any more."""
    return 2 * lease_duration + 5


# -- one backend -------------------------------------------------------------


class Follower:
    """A contender that tries in each retry period until it holds."""

    def __init__(self, office: ports.Leadership, period: float) -> None:
        self._office = office
        self._period = period
        self._stop = threading.Event()
        self._taken = threading.Event()
        self._taken_at = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def taken_at(self, patience: float) -> float | None:
        """When it took office; None: not within so many seconds."""
        return self._taken_at if self._taken.wait(patience) else None

    def stop(self) -> None:
        """Try no more."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not _tried(self._office):
            if self._stop.wait(self._period):
                return
        self._taken_at = boot_time()
        self._taken.set()


def _measure(backend: Backend, rounds: int) -> Figures:
    figures = Figures()
    for _ in range(rounds):
        for cell, strike in STRIKES.items():
            _take_over(backend, cell, strike, figures)
        figures.seconds[FROZEN].append(_cut_off(backend))
    return figures


def _take_over(
    backend: Backend,
    cell: str,
    strike: Callable[[Contender], None],
    figures: Figures,
) -> None:
    """Let the holder fall, and wait until another one holds."""
    retry = backend.settings.lease_retry_period
    with contextlib.ExitStack() as stack:
        holder = Contender(backend.settings, "holder")
        stack.callback(holder.end)
        _await(functools.partial(holder.ask, "acquire"), backend)
        office = leadership.connect(backend.settings, "next")
        stack.callback(office.close)
        follower = Follower(office, retry)
        stack.callback(follower.stop)
        # Both have asked; where in their periods they are is chance.
        time.sleep(retry * (1 + random.random()))
        if follower.taken_at(0) is not None or not holder.ask("held"):
            raise SpoiltError(f"{backend.name}: it changed hands unasked")
        struck = boot_time()
        strike(holder)
        taken = follower.taken_at(_patience(backend.settings.lease_duration))
        figures.seconds[cell].append(taken and taken - struck)
        if cell == "SIGSTOP":
            holder.signal(signal.SIGCONT)
            figures.resumed.append(_seen_holding(holder, retry))


def _seen_holding(holder: Contender, retry: float) -> bool:
    """Whether one that goes on is ever seen holding, in two periods."""
    end = boot_time() + 2 * retry
    while boot_time() < end:
        if holder.ask("held"):
            return True
        time.sleep(0.02)
    return False


def _cut_off(backend: Backend) -> float | None:
    """Seconds until a holder stops believing, when its service hangs."""
    if backend.service is None:
        return None
    retry = backend.settings.lease_retry_period
    with contextlib.closing(
        leadership.connect(backend.settings, "cut off")
    ) as office:
        _await(lambda: _tried(office), backend)
        time.sleep(retry * (1 + random.random()))
        backend.service.freeze()
        frozen = boot_time()
        try:
            end = frozen + _patience(backend.settings.lease_duration)
            while office.held():
                if boot_time() > end:
                    return None
                time.sleep(0.01)
            return boot_time() - frozen
        finally:
            backend.service.thaw()


def _tried(office: ports.Leadership) -> bool:
    try:
        return office.acquire()
    except errors.CoordinationError:
        return False


def _await(happens: Callable[[], bool], backend: Backend) -> None:
    """Try in each retry period until it happens.

    :raises SpoiltError: it does not.
    """
    end = boot_time() + _patience(backend.settings.lease_duration)
    while not happens():
        if boot_time() > end:
            raise SpoiltError(f"{backend.name}: nobody gets the office")
        time.sleep(backend.settings.lease_retry_period)


def _calls(started: services.Started) -> list[str]:
    """Calls to the API server, of a holder and of one that waits."""
    backend, namespace = started.lease, started.namespace
    with contextlib.ExitStack() as stack:
        holder = Contender(backend.settings, "holder")
        stack.callback(holder.end)
        _await(functools.partial(holder.ask, "acquire"), backend)
        office = leadership.connect(backend.settings, "follower")
        stack.callback(office.close)
        stack.callback(
            Follower(office, backend.settings.lease_retry_period).stop
        )
        before = started.kubernetes.requests(namespace)
        time.sleep(COUNTED)
        calls = started.kubernetes.requests(namespace) - before
    return [
        f"calls to the API server in {COUNTED} s: {agent} {verb} {count}"
        for (agent, verb), count in sorted(calls.items())
    ]


# -- what is printed ---------------------------------------------------------


def _problems(backend: Backend, figures: Figures) -> list[str]:
    """What contradicts the promises of the leadership."""
    found = []
    lease = backend.settings.lease_duration
    stopped = zip(figures.seconds["SIGSTOP"], figures.resumed, strict=True)
    for taken, resumed in stopped:
        if resumed == (taken is not None):
            found.append(
                "two held it" if resumed else "nobody held it after SIGCONT"
            )
    if backend.expires and None in figures.seconds["SIGSTOP"]:
        found.append("a stopped holder kept it")
    found += [
        f"nobody took over after {cell}"
        for cell in ("kill -9", "polite stop")
        if None in figures.seconds[cell]
    ]
    if backend.service is not None and not all(
        each is not None and each < lease for each in figures.seconds[FROZEN]
    ):
        found.append(f"it believed a frozen service for {lease} s")
    return [f"{backend.name}: {each}" for each in found]


def _table(found: dict[Backend, Figures], *, rst: bool) -> str:
    rows = [
        [
            backend.name,
            *[_cell(figures.seconds[cell]) for cell in STRIKES],
            f"{sum(figures.resumed)} of {len(figures.resumed)}",
            "--"
            if backend.service is None
            else _cell(figures.seconds[FROZEN]),
        ]
        for backend, figures in found.items()
    ]
    lines = [list(HEADINGS), *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    texts = [
        "  ".join(
            text.ljust(width) for text, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    ]
    if rst:
        rule = "  ".join("=" * width for width in widths)
        texts = [rule, texts[0], rule, *texts[1:], rule]
    return "\n".join(texts)


def _cell(seconds: list[float | None]) -> str:
    """Least, median and most; never: not once in all rounds."""
    known = [each for each in seconds if each is not None]
    if not known:
        return "never"
    parts = (min(known), statistics.median(known), max(known))
    text = " / ".join(f"{each:.1f}" for each in parts)
    missing = len(seconds) - len(known)
    return f"{text}, {missing} never" if missing else text


if __name__ == "__main__":
    arguments.leave(main)
