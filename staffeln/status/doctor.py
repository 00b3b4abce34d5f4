# SPDX-License-Identifier: Apache-2.0
"""Runs checks so that none can hide or hold up another one.

Each has a thread and a time limit of its own. What hangs is left hanging in
a daemon thread; whatever a check raises is its own finding.
"""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from staffeln.domain import errors
from staffeln.domain.findings import (
    HELD,
    Checked,
    Examination,
    Finding,
    Result,
    in_order,
    not_checked,
    sorted_findings,
)

LONGEST_TEXT = 500
"""Characters of a finding's text."""

AS_LONG = 10
"""A check that reads whole lists may take so many times the limit."""


class CannotLookError(errors.StaffelnError):
    """A check cannot be made for what another one tells of.

    :ivar root: that other check.
    """

    def __init__(self, root: str) -> None:
        super().__init__(f"it needs {root}, see there")
        self.root = root


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that is looked at."""

    name: str
    about: str
    """What it looks at, in a line."""
    look: Callable[[], Iterable[Finding]]
    """Looks, and says what it finds; it may raise anything."""
    needs: tuple[str, ...] = ()
    """Checks without which this one can say nothing."""
    after: tuple[str, ...] = ()
    """Checks that have to end first, however they do."""
    todo: str
    """What helps where the look itself fails."""
    failing: Result = Result.NOT_CHECKED
    """What it means that the look fails or has no end: it is not known how
    things are, or that very failure was looked for."""
    long: bool = False
    """It reads whole lists."""


def examine(
    checks: Sequence[Check],
    wanted: Collection[str],
    limit: float,
    scrub: Callable[[str], str] = str,
    clock: Callable[[], float] = time.monotonic,
) -> Examination:
    """Run the wanted checks and those that they need.

    :param wanted: names; what else has to be looked at is not shown.
    :param limit: seconds for each check.
    :param scrub: takes secrets out of a text.
    """
    return _Round(checks, wanted, limit, scrub, clock).run()


class _Round:
    """One examination while it runs."""

    def __init__(
        self,
        checks: Sequence[Check],
        wanted: Collection[str],
        limit: float,
        scrub: Callable[[str], str],
        clock: Callable[[], float],
    ) -> None:
        self._all = {each.name: each for each in checks}
        self._wanted = wanted
        self._limit = limit
        self._scrub = scrub
        self._clock = clock
        self._done: dict[str, Checked] = {}
        self._began: dict[str, float] = {}
        self._answers: queue.SimpleQueue[tuple[str, _Answer]] = (
            queue.SimpleQueue()
        )

    def run(self) -> Examination:
        """Until each has ended or was given up."""
        began = self._clock()
        todo = self._with_needs(self._wanted)
        while len(self._done) < len(todo):
            for name in todo:
                if name not in self._began and name not in self._done:
                    self._begin(self._all[name])
            self._wait()
        return Examination(
            checks=in_order(
                self._done[name] for name in todo if name in self._wanted
            ),
            seconds=self._clock() - began,
        )

    def _with_needs(self, names: Collection[str]) -> list[str]:
        """In the order of the list, whatever needs what."""
        found: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in found:
                found.add(name)
                left += self._all[name].needs + self._all[name].after
        return [name for name in self._all if name in found]

    def _begin(self, check: Check) -> None:
        """Start it, if all that it waits for has ended."""
        if any(name not in self._done for name in check.after):
            return
        for name in check.needs:
            done = self._done.get(name)
            if done is None:
                return
            if done.result in (Result.ERROR, Result.NOT_CHECKED):
                self._end(check, [_held_by(done)], 0.0)
                return
        self._began[check.name] = self._clock()
        threading.Thread(
            target=self._look, args=(check,), name=check.name, daemon=True
        ).start()

    def _look(self, check: Check) -> None:
        try:
            answer: _Answer = tuple(check.look())
        except BaseException as error:  # noqa: BLE001  the thread's border
            answer = error
        self._answers.put((check.name, answer))

    def _wait(self) -> None:
        """For an answer, or for the first that takes too long."""
        running = self._running()
        if not running:
            return
        first = min(running.values())
        try:
            name, answer = self._answers.get(
                timeout=max(0.0, first - self._clock())
            )
        except queue.Empty:
            now = self._clock()
            for name, until in running.items():
                if until <= now:
                    self._give_up(self._all[name])
            return
        if name in self._done:
            return  # it came too late
        check = self._all[name]
        found = (
            [_failed(check, answer)]
            if isinstance(answer, BaseException)
            else list(answer)
        )
        self._end(check, found, self._clock() - self._began[name])

    def _running(self) -> Mapping[str, float]:
        """Until when each may take."""
        return {
            name: began + self._limit_of(self._all[name])
            for name, began in self._began.items()
            if name not in self._done
        }

    def _limit_of(self, check: Check) -> float:
        return self._limit * (AS_LONG if check.long else 1)

    def _give_up(self, check: Check) -> None:
        limit = self._limit_of(check)
        words = f"no answer within {limit:g} s"
        found = _said(check, "no-answer", words, check.todo)
        self._end(check, [found], limit)

    def _end(
        self, check: Check, found: Sequence[Finding], seconds: float
    ) -> None:
        self._done[check.name] = Checked(
            name=check.name,
            findings=sorted_findings([self._clean(each) for each in found])
            or (Finding(kind="ok", result=Result.OK, what="nothing to say"),),
            seconds=seconds,
        )

    def _clean(self, found: Finding) -> Finding:
        return dataclasses.replace(
            found,
            what=self._text(found.what),
            todo=self._text(found.todo),
            where={
                name: self._text(text) for name, text in found.where.items()
            },
        )

    def _text(self, text: str) -> str:
        words = " ".join(self._scrub(text).split())
        if len(words) > LONGEST_TEXT:
            return f"{words[: LONGEST_TEXT - 3]}..."
        return words


_Answer = tuple[Finding, ...] | BaseException


def _held_by(needed: Checked) -> Finding:
    """What a check says whose need is not met: where it all begins."""
    first = needed.findings[0]
    root = first.where["check"] if first.kind == HELD else needed.name
    return _held_for(CannotLookError(root))


def _held_for(why: CannotLookError) -> Finding:
    return not_checked(HELD, str(why), f"see {why.root}", check=why.root)


def _failed(check: Check, error: BaseException) -> Finding:
    if isinstance(error, CannotLookError):
        return _held_for(error)
    if isinstance(error, errors.StaffelnError):
        return _said(check, "failed", str(error), check.todo)
    # Not a word of ours: it is a bug, and its text may hold anything.
    return not_checked(
        "broken-check",
        f"the check itself failed: {type(error).__name__}: {error}",
        "report this as a bug of Staffeln",
    )


def _said(check: Check, kind: str, words: str, todo: str) -> Finding:
    if check.failing is Result.NOT_CHECKED:
        return not_checked(kind, words, todo)
    return Finding(kind=kind, result=check.failing, what=words, todo=todo)
