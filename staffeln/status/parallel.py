# SPDX-License-Identifier: Apache-2.0
"""Asks the same of many, some at a time, and stops when time is up."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import TypeVar

from staffeln.domain import errors

T = TypeVar("T")

AT_ONCE = 16
"""Calls under way: a cloud must not suffer from being looked at."""


def ask_all(
    ids: Iterable[str],
    ask: Callable[[str], T],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, T | errors.CloudError]:
    """Ask of each; what is missing was not answered in time.

    No other call begins when time is up. Those under way are left to
    daemon threads: nothing waits for them.

    :raises Exception: whatever else than a CloudError a call came to.
    """
    left: queue.SimpleQueue[str] = queue.SimpleQueue()
    answers: queue.SimpleQueue[tuple[str, T | BaseException]] = (
        queue.SimpleQueue()
    )
    total = 0
    for each in ids:
        left.put(each)
        total += 1
    until = clock() + seconds

    def work() -> None:
        while clock() < until:
            try:
                one = left.get_nowait()
            except queue.Empty:
                return
            try:
                answers.put((one, ask(one)))
            except BaseException as error:  # noqa: BLE001  handed over
                answers.put((one, error))

    for _ in range(min(AT_ONCE, total)):
        threading.Thread(target=work, name="doctor", daemon=True).start()
    found: dict[str, T | errors.CloudError] = {}
    while len(found) < total:
        try:
            one, answer = answers.get(timeout=max(0.0, until - clock()))
        except queue.Empty:
            return found
        if isinstance(answer, BaseException) and not isinstance(
            answer, errors.CloudError
        ):
            raise answer
        found[one] = answer
    return found
