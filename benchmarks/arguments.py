# SPDX-License-Identifier: Apache-2.0
"""What benchmarks are asked for, and how they come to their end.

The functions here are types for argparse: what does not fit is one line,
and the exit code is 2.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Collection
from typing import NoReturn

INTERRUPTED = 130
"""The exit code of a program that SIGINT ended, as shells have it."""


def whole(least: int = 1, multiple_of: int = 1) -> Callable[[str], int]:
    """Whole numbers that are not too small, and such multiples."""

    def read(text: str) -> int:
        try:
            found = int(text)
        except ValueError:
            raise _wrong(f"{text!r} is no whole number") from None
        if found < least:
            raise _wrong(f"{found} is less than {least}")
        if found % multiple_of:
            raise _wrong(f"{found} is no multiple of {multiple_of}")
        return found

    return read


def duration(text: str) -> float:
    """A time that passes, in whatever unit; it may be none."""
    try:
        found = float(text)
    except ValueError:
        raise _wrong(f"{text!r} is no number") from None
    if not math.isfinite(found) or found < 0:
        raise _wrong(f"{text} is no time that passes")
    return found


def one_of(names: Collection[str]) -> Callable[[str], str]:
    """One of some names; for what may be left out and given many times."""

    def read(text: str) -> str:
        if text not in names:
            raise _wrong(f"{text!r} is not one of {', '.join(names)}")
        return text

    return read


def leave(main: Callable[[], int]) -> NoReturn:
    """Run a benchmark, and leave with its exit code.

    Whoever interrupts it knows why, and is told no more than that it is so.
    """
    try:
        code = main()
    except BaseException as error:
        if not _was_interrupted(error):
            raise
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def _was_interrupted(error: BaseException | None) -> bool:
    """What is half done may fail to be undone, and is raised instead."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def _wrong(what: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(what)
