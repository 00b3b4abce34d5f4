# SPDX-License-Identifier: Apache-2.0
"""Moves that many threads want saved at once are one transaction.

With as many threads as there are create calls under way, each move by
itself would cost its own statements and its own commit.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Sequence

from staffeln import ports
from staffeln.domain import errors, task

MOST = 200
"""Moves of one transaction: so that none holds others up for long."""

Save = Callable[[Sequence[ports.Change]], Sequence[task.Task]]
"""Carries changes out in one transaction; returns the tasks that moved."""

Outcome = task.Task | Exception | None
"""Of a change: the task as it stands now; None: somebody else was faster."""


@dataclasses.dataclass(slots=True, eq=False)
class _Wish:
    """What one thread wants saved."""

    change: ports.Change
    outcome: Outcome = None
    done: bool = False
    called: threading.Event = dataclasses.field(
        default_factory=threading.Event
    )
    """Set when it is done, or when its thread is to write for all."""


class Together:
    """Saves single moves of many threads.

    Whoever comes while nobody writes does so at once. Those who come
    meanwhile wait; the first of them then writes for all of them.
    """

    def __init__(self, save: Save) -> None:
        self._save = save
        self._lock = threading.Lock()
        self._waiting: list[_Wish] = []
        self._is_written = False
        self._writer: int | None = None
        """The thread that writes at this moment."""

    def save(self, change: ports.Change) -> task.Task | None:
        """Save one move; None: somebody else moved the task meanwhile.

        :raises StoreError: of all moves of a transaction that failed. None
            is tried again: it may have been written, where the database
            went away.
        """
        if self._writer == threading.get_ident():
            # What its own write led to: nobody must wait for himself.
            (outcome,) = carry_out(self._save, [change])
        else:
            outcome = self._save_with_others(_Wish(change))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _save_with_others(self, wish: _Wish) -> Outcome:
        """Wait until it is written, or write it and what else waits."""
        with self._lock:
            self._waiting.append(wish)
            leads = not self._is_written
            self._is_written = True
        if not leads:
            wish.called.wait()
        if not wish.done:
            self._write()
        return wish.outcome

    def _write(self) -> None:
        """Write what waits, this thread's first of all."""
        with self._lock:
            wishes = self._waiting[:MOST]
            del self._waiting[:MOST]
        self._writer = threading.get_ident()
        try:
            outcomes = carry_out(self._save, [wish.change for wish in wishes])
            for wish, outcome in zip(wishes, outcomes, strict=True):
                wish.outcome = outcome
        except BaseException as error:
            for wish in wishes:
                wish.outcome = errors.StoreError(f"not saved: {error}")
            raise
        finally:
            self._writer = None
            for wish in wishes:
                wish.done = True
                wish.called.set()
            with self._lock:
                if self._waiting:
                    self._waiting[0].called.set()
                else:
                    self._is_written = False


def carry_out(save: Save, changes: Sequence[ports.Change]) -> list[Outcome]:
    """Carry changes out in one transaction; what became of each.

    Where one cannot be, the others are none the worse: each half is carried
    out by itself, and so on down to the one. Nothing is tried again after a
    failure of the database: it may have been written.
    """
    try:
        moved = {id(each) for each in save(changes)}
    except Exception as error:  # noqa: BLE001  whoever wants it gets it
        if len(changes) == 1 or may_be_written(error):
            return [error] * len(changes)
        return _by_halves(save, changes)
    return [
        each.after if id(each.after) in moved else None for each in changes
    ]


def may_be_written(outcome: Outcome) -> bool:
    """Whether the database failed, rather than refused what it was asked."""
    return isinstance(outcome, errors.StoreError) and not isinstance(
        outcome, errors.StoreRefusedError
    )


def _by_halves(save: Save, changes: Sequence[ports.Change]) -> list[Outcome]:
    """Carry out one half, then the other unless the database went away."""
    middle = len(changes) // 2
    first = carry_out(save, changes[:middle])
    away = next(filter(may_be_written, first), None)
    if away is not None:
        return first + [away] * (len(changes) - middle)
    return first + carry_out(save, changes[middle:])
