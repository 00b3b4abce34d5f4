# SPDX-License-Identifier: Apache-2.0
"""Standard streams that are closed, full, or read by nobody any more.

What is printed may be lost; what the command does must not be, and neither
may it end with a traceback.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

SIGPIPE = 141
"""Exit code of a program whose reader went away, as shells have it."""


def open_closed(*, logs: bool = False) -> None:
    """Where a shell's ``>&-`` closed them: what is printed goes nowhere.

    Left closed, their numbers would be those of the next files opened, such
    as a database, and what a library prints would be written into it.

    :param logs: standard output is a log, which is not to be lost: it goes
        to standard error instead.
    """
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: SIM115
    if sys.stdout is None:
        if logs and sys.stderr is not None:
            sys.stdout = open(os.dup(2), "w", buffering=1)  # noqa: SIM115
        else:
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


def drop_output() -> None:
    """Let nothing more be said of an output that is lost.

    Python flushes once more when it ends, and would complain then.
    """
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(prog: str, line: str) -> None:
    """Say a line on standard error, where there is one."""
    with contextlib.suppress(OSError):
        print(f"{prog}: {line}", file=sys.stderr)  # noqa: T201


def printing(prog: str, command: Callable[[], int], failed: int = 1) -> int:
    """Run a command that prints; returns the exit code.

    :param failed: the code where the output is lost and the command's own
        says that all is well.
    """
    code = 0
    try:
        code = command()
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
        return SIGPIPE
    except OSError as error:
        drop_output()
        if code == 0:  # else the command has said why it failed
            # What concerns a file names it, and is nothing of the output.
            lost = "the output is lost: " if error.filename is None else ""
            complain(prog, f"{lost}{error}")
            return failed
    return code


class Told:
    """Lines for standard output, of work that goes on without it.

    A reader that goes away must not stop a database's upgrade half-way.
    """

    def __init__(self) -> None:
        self._lost: OSError | None = None

    def tell(self, line: str) -> None:
        """Print a line at once."""
        if self._lost is not None:
            return
        try:
            print(line, flush=True)  # noqa: T201
        except OSError as error:
            self._lost = error
            drop_output()

    def code(self, prog: str) -> int:
        """The exit code of work that went well; says what was lost."""
        if self._lost is None:
            return 0
        if isinstance(self._lost, BrokenPipeError):
            return SIGPIPE
        complain(
            prog,
            f"the output is lost: {self._lost}; the command was carried out",
        )
        return 1
