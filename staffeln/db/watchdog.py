# SPDX-License-Identifier: Apache-2.0
"""Ends what takes too long on a connection, however it takes so long.

A driver's own limit is for each piece that it reads. A server that sends a
byte now and then never reaches it; so a thread shuts the socket down, and
the driver's next read finds its end. That works for TLS as well.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator

LOG = logging.getLogger(__name__)

TICK = 0.1
"""Seconds between two looks; so much later something may be ended."""
_IDLE_TICKS = 50
"""Looks at nothing after which the thread waits until it is needed."""

Sockets = Callable[[], socket.socket | None]
"""Says which socket is in use; None: none, as yet."""


class Watchdog:
    """One thread that looks after all that others wait for."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begin()
        # A child has the marks of the thread, and not the thread.
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._needed = threading.Event()
        self._numbers = itertools.count()
        self._watched: dict[int, tuple[float, Sockets]] = {}
        self._runs = False

    @contextlib.contextmanager
    def limit(self, seconds: float, sockets: Sockets) -> Iterator[None]:
        """Shut a socket down while this lasts for longer."""
        number = next(self._numbers)
        with self._lock:
            self._watched[number] = self._clock() + seconds, sockets
            self._start()
        try:
            yield
        finally:
            with self._lock:
                del self._watched[number]

    def _start(self) -> None:
        if not self._runs:
            try:
                threading.Thread(
                    target=self._run, name="watchdog", daemon=True
                ).start()
                self._runs = True
            except RuntimeError as error:
                LOG.warning("No thread to limit answers: %s", error)
        if not self._needed.is_set():
            self._needed.set()

    def _run(self) -> None:
        idle = 0
        while True:
            self._needed.wait()
            time.sleep(TICK)
            with self._lock:
                idle = 0 if self._watched else idle + 1
                if idle > _IDLE_TICKS:
                    self._needed.clear()
                self.look()

    def look(self) -> None:
        """Shut down what is overdue; again and again, as it may reconnect."""
        now = self._clock()
        for until, sockets in self._watched.values():
            if now >= until:
                found = sockets()
                if found is not None:
                    _shut(found)


def socket_of(connection: object) -> socket.socket | None:
    """The socket of a driver's connection, where the driver has one."""
    found = getattr(connection, "_sock", None)
    return found if isinstance(found, socket.socket) else None


def _shut(found: socket.socket) -> None:
    # Not the method of TLS's own sockets: it is not made for two threads.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(found, socket.SHUT_RDWR)
