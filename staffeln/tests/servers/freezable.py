# SPDX-License-Identifier: Apache-2.0
"""A server that a test lets stand still, or ends and starts again."""

from __future__ import annotations

import pathlib
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

from staffeln.tests.servers import process


class Freezable(process.Process):
    """A server's process with its port and data kept through restarts."""

    def __init__(
        self,
        folder: pathlib.Path,
        command: Callable[[int], Sequence[str]],
        answers: Callable[[int], bool],
        stop_signal: signal.Signals,
    ) -> None:
        self._command = command
        self._answers = answers
        super().__init__(folder, command, answers, stop_signal)

    def freeze(self) -> None:
        """Let it stand still: it takes connections and answers nothing."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on; harmless when it does."""
        self._send(signal.SIGCONT)

    def end(self) -> None:
        """End it and keep its data; :meth:`start` starts it again."""
        self._end()

    def start(self) -> None:
        """Start it again where it was; harmless when it runs.

        :raises ServerError: it does not come up.
        """
        if self._running is not None:
            return
        with (self.folder / "log").open("ab") as log:
            self._running = subprocess.Popen(
                self._command(self.port),
                cwd=self.folder,
                env=process.environment(self.folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        limit = time.monotonic() + process.START_LIMIT
        while not self._answers(self.port):
            if self._running.poll() is not None or time.monotonic() > limit:
                self._end()
                raise process.ServerError("the server does not come up again")
            time.sleep(0.05)

    def restart(self) -> None:
        """End it and start it again, with its port and data."""
        self.end()
        self.start()

    def _send(self, number: signal.Signals) -> None:
        if self._running is not None:
            self._running.send_signal(number)

    def _end(self) -> None:
        self.thaw()
        super()._end()
