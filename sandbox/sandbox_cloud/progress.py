# SPDX-License-Identifier: Apache-2.0
"""Tells a human what is being done and how long it took."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

# Seconds between two lines about one long step where lines cannot be
# rewritten (a log file, a CI job).
QUIET_INTERVAL = 15.0


class Progress:
    """One line per step, with its duration; live on a terminal."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._live = sys.stdout.isatty()
        self._detail = ""

    def say(self, text: str) -> None:
        """Print one line of its own."""
        self._print(f"{text}\n")

    def detail(self, text: str) -> None:
        """What the running step is busy with at the moment."""
        self._detail = text

    def total(self) -> float:
        """Seconds since this command began."""
        return time.monotonic() - self._began

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[None]:
        """Show ``what`` while the block runs, then how long it took."""
        self._detail = ""
        began = time.monotonic()
        over = threading.Event()
        watcher = threading.Thread(
            target=self._watch, args=(what, began, over), daemon=True
        )
        watcher.start()
        mark = "failed"
        try:
            yield
            mark = "ok"
        finally:
            over.set()
            watcher.join()
            took = time.monotonic() - began
            self._clear()
            self._print(f"  {mark:<6} {took:6.1f} s  {what}\n")

    def _watch(self, what: str, began: float, over: threading.Event) -> None:
        while not over.wait(0.2 if self._live else QUIET_INTERVAL):
            took = time.monotonic() - began
            text = f"  ...    {took:6.1f} s  {what}"
            if self._detail:
                text += f": {self._detail}"
            if self._live:
                self._clear()
                self._print(text[:110])
            else:
                self._print(text + "\n")

    def _clear(self) -> None:
        if self._live:
            self._print("\r\033[K")

    def _print(self, text: str) -> None:
        # Nobody listening any more is no reason to stop half way.
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(text)
            sys.stdout.flush()
