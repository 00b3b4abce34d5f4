# SPDX-License-Identifier: Apache-2.0
"""What the demo prints."""

from __future__ import annotations

import sys
import time


class Story:
    """Prints what happens, with the time since the start."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def chapter(self, title: str) -> None:
        """Begin something new."""
        print(
            f"\n\033[1m{title}\033[0m"
            if sys.stdout.isatty()
            else f"\n{title}",
            flush=True,
        )

    def say(self, words: str) -> None:
        """One thing that has happened."""
        elapsed = time.monotonic() - self._began
        print(f"  {elapsed:6.1f} s  {words}", flush=True)

    def complain(self, words: str) -> None:
        """What went wrong, in one line on standard error."""
        sys.stdout.flush()
        print(f"demo: {' '.join(words.split())}", file=sys.stderr)
