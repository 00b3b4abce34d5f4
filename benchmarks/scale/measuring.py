# SPDX-License-Identifier: Apache-2.0
"""What something takes: the processor, memory, and statements of SQL.

Each measurement has a process of its own, and all of it is that process's:
neither the database's nor the cloud's.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa

from benchmarks import memory

P = ParamSpec("P")
T = TypeVar("T")

_WRITTEN = re.compile(
    r"\s*(?:INSERT(?:\s+IGNORE)?\s+INTO|UPDATE|DELETE\s+FROM)\s+[`\"]?(\w+)",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Cost:
    """What something took."""

    cpu: float
    """Seconds of this process, all threads."""
    seconds: float
    before: float
    at_most: float
    """MiB of this process when it began, and at its peak."""
    reads: int = 0
    writes: int = 0
    commits: int = 0
    """Transactions that wrote."""
    written: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Statements that wrote, by table."""

    @property
    def statements(self) -> int:
        """Without BEGIN and COMMIT."""
        return self.reads + self.writes


class Traffic:
    """Counts what is sent to databases, from now on."""

    def __init__(self, engine: sa.Engine | type[sa.Engine]) -> None:
        """:param engine: one of them, or the class: all of this process."""
        self.reads = 0
        self.commits = 0
        self.written: Counter[str] = Counter()
        sa.event.listen(engine, "before_cursor_execute", self._sent)
        sa.event.listen(engine, "commit", self._committed)
        sa.event.listen(engine, "rollback", self._forgotten)

    def forget(self) -> None:
        """Begin anew."""
        self.reads = self.commits = 0
        self.written.clear()

    def _sent(
        self,
        connection: sa.Connection,
        _cursor: Any,
        text: str,
        values: Any,
        _context: Any,
        many: bool,
    ) -> None:
        if text.startswith("BEGIN"):
            return
        found = _WRITTEN.match(text)
        if found is None:
            self.reads += 1
            return
        # Drivers make one statement of many inserts, but not of others.
        times = 1
        if many and not text.lstrip().upper().startswith("INSERT"):
            times = len(values)
        self.written[found[1].lower()] += times
        connection.info["wrote"] = True

    def _committed(self, connection: sa.Connection) -> None:
        self.commits += bool(connection.info.pop("wrote", False))

    def _forgotten(self, connection: sa.Connection) -> None:
        connection.info.pop("wrote", None)


class Meter:
    """Measures from its making on."""

    def __init__(self, traffic: Traffic | None = None) -> None:
        self._traffic = traffic
        if traffic is not None:
            traffic.forget()
        self._before = memory.begin()
        self._began = time.monotonic()
        self._cpu = time.process_time()

    def read(self) -> Cost:
        """What it took until now."""
        cpu = time.process_time() - self._cpu
        seconds = time.monotonic() - self._began
        cost = Cost(
            cpu=cpu,
            seconds=seconds,
            before=self._before,
            at_most=memory.megabytes("VmHWM"),
        )
        if self._traffic is None:
            return cost
        return dataclasses.replace(
            cost,
            reads=self._traffic.reads,
            writes=self._traffic.written.total(),
            commits=self._traffic.commits,
            written=dict(self._traffic.written),
        )


def apart(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function in a new process; what it raised is raised here.

    What interrupts this process ends that one, without a word of its own.
    """
    with futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn")
    ) as pool:
        # What is ignored at its beginning is so in a new process to its end.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            outcome = pool.submit(function, *args, **kwargs)
        finally:
            signal.signal(signal.SIGINT, before)
        try:
            return outcome.result()
        except KeyboardInterrupt:
            for each in multiprocessing.active_children():
                each.terminate()
            raise
