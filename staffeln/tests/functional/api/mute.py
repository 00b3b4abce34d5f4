# SPDX-License-Identifier: Apache-2.0
"""A way to a server on which everything stops: a host without power."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable

PAUSE = 0.3
"""Seconds between two bytes that trickle."""


def _send_all(content: bytes, sink: socket.socket) -> None:
    sink.sendall(content)


class Mute:
    """Passes bytes on to a port until it is told to pass none.

    While it is silent it takes connections and what is sent on them.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self._speaks = threading.Event()
        self._speaks.set()
        self._trickles = False
        self._open = [socket.create_server(("127.0.0.1", 0), backlog=64)]
        self.port: int = self._open[0].getsockname()[1]
        self._start(self._accept)

    def silence(self) -> None:
        """Pass nothing on from now on."""
        self._speaks.clear()

    def speak(self) -> None:
        """Pass everything on again."""
        self._trickles = False
        self._speaks.set()

    def trickle(self) -> None:
        """Pass on what the server says by a byte now and then."""
        self._trickles = True

    def close(self) -> None:
        """End all that goes through it."""
        self.speak()
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _start(self, run: object, *arguments: object) -> None:
        threading.Thread(
            target=run,  # type: ignore[arg-type]
            args=arguments,
            daemon=True,
        ).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._open[0].accept()
                self._open.append(client)
                self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        self._speaks.wait()
        with contextlib.suppress(OSError):
            server = socket.create_connection(("127.0.0.1", self._to))
            self._open.append(server)
            self._start(self._pass_on, server, client, self._send)
            self._pass_on(client, server)

    def _pass_on(
        self,
        source: socket.socket,
        sink: socket.socket,
        send: Callable[[bytes, socket.socket], None] = _send_all,
    ) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                self._speaks.wait()
                send(content, sink)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _send(self, content: bytes, sink: socket.socket) -> None:
        while self._trickles and content:
            sink.sendall(content[:1])
            content = content[1:]
            time.sleep(PAUSE)
        sink.sendall(content)
