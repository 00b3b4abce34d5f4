# SPDX-License-Identifier: Apache-2.0
"""A server that a test lets stand still."""

from __future__ import annotations

import signal

from staffeln.tests.servers import process


class Freezable(process.Process):
    """While it stands still it takes connections and answers nothing."""

    def freeze(self) -> None:
        """Let it stand still."""
        self.send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on; harmless when it does."""
        self.send(signal.SIGCONT)
