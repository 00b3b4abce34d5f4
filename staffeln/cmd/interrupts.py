# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C ends a command where it is, as SIGTERM does."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def end_at_once() -> Iterator[None]:
    """Let SIGINT end this process, in place of Python's KeyboardInterrupt.

    That shows a traceback, or is lost in a library that tells of a failure
    of its own. What a database was asked for and not told to keep is gone
    either way. Who ignores the signal, as shells have it of what runs in the
    background, goes on to.
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    ):
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        # Whoever called this in a process of theirs has theirs again.
        signal.signal(signal.SIGINT, signal.default_int_handler)
