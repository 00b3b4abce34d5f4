# SPDX-License-Identifier: Apache-2.0
"""A client of SMTP whose patience has an end.

The library's own counts each read anew, and takes as many lines as come: a
server that drips holds it up for ever, and one that never ends fills memory.
"""

from __future__ import annotations

import contextlib
import errno
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, NoReturn

LONGEST_ANSWER = 64 * 1024
"""Bytes of one answer, with all its lines."""
LONGEST_LINE = 8 * 1024
"""Bytes of one line."""

STEPS = 10
"""So many timeouts all steps of a message may take together."""

_PIECE = 64 * 1024
_LEAST = 0.001
"""Seconds: no time at all would mean not to wait."""

STOPS = "this process stops"


class CutOffError(smtplib.SMTPServerDisconnected):
    """It was cut off here, whatever else it looks like."""


class Plug:
    """Lets another thread cut connections off, wherever they hang."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[socket.socket] = set()
        self._is_pulled = False

    @property
    def is_pulled(self) -> bool:
        """Whether all is to end."""
        return self._is_pulled

    def hold(self, connection: socket.socket) -> socket.socket:
        """Begin to mind one; what is returned is to be let go of.

        :raises OSError: all is to end.
        """
        # A second handle: the first one changes hands when TLS begins.
        handle = connection.dup()
        with self._lock:
            if not self._is_pulled:
                self._held.add(handle)
                return handle
        handle.close()
        raise ConnectionAbortedError(errno.ECONNABORTED, STOPS)

    def let_go(self, handle: socket.socket) -> None:
        """Mind it no more."""
        with self._lock:
            self._held.discard(handle)
            handle.close()

    def pull(self) -> None:
        """Cut all off, and let none begin."""
        with self._lock:
            self._is_pulled = True
            for each in self._held:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


class Client(smtplib.SMTP):
    """One connection, which is greeted when it is made.

    :ivar step: seconds that one step may take: all reads and writes of it.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        own_name: str | None,
        timeout: float,
        tls: ssl.SSLContext | None,
        plug: Plug,
        clock: Callable[[], float],
    ) -> None:
        """:param own_name: what it calls itself; None: it is found out.

        :param tls: for TLS from the first byte.
        :param clock: a monotonic clock, in seconds.
        :raises OSError: it cannot be reached, or is not greeted.
        :raises SMTPException: the same.
        """
        self.step = timeout
        self._tls = tls
        self._plug = plug
        self._clock = clock
        self._handle: socket.socket | None = None
        self._buffer = b""
        self.begin()
        super().__init__(host, port, local_hostname=own_name, timeout=timeout)

    def begin(self) -> None:
        """All steps together may take ten timeouts from now on."""
        self._most = STEPS * self.step
        self._ends_at = self._clock() + self._most

    def close(self) -> None:
        """Let go of the connection."""
        try:
            super().close()
        finally:
            handle, self._handle = self._handle, None
            if handle is not None:
                self._plug.let_go(handle)

    # -- what the library calls --------------------------------------------

    def _get_socket(
        self, host: str, port: int, _timeout: float
    ) -> socket.socket:
        ends_at = self._step_ends_at()
        self._buffer = b""
        connection = self._reached(host, port, ends_at)
        if self._tls is None:
            return connection
        try:
            connection.settimeout(self._left(ends_at))
            return self._tls.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            self.close()
            raise

    def _reached(self, host: str, port: int, ends_at: float) -> socket.socket:
        """Connect to the first of its addresses that answers.

        :raises OSError: none does.
        """
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        failure: OSError = ConnectionRefusedError(
            errno.ECONNREFUSED, "it has no address"
        )
        for index, (family, kind, protocol, _, address) in enumerate(found):
            connection = socket.socket(family, kind, protocol)
            try:
                self._handle = self._plug.hold(connection)
                left = self._left(ends_at)
                # One that hangs leaves time for the others.
                connection.settimeout(left / (len(found) - index))
                connection.connect(address)
            except OSError as error:
                failure = error
                connection.close()
                self.close()
            else:
                return connection
        raise failure

    def starttls(self, *args: Any, **options: Any) -> tuple[int, bytes]:
        """Secure the way. :raises SMTPException: it said too much before."""
        answer = super().starttls(*args, **options)
        if self._buffer:
            # Anybody on the way may have put it there.
            self.close()
            raise smtplib.SMTPServerDisconnected(
                "it says more than it was asked for before TLS begins"
            )
        return answer

    def send(self, data: bytes | str) -> None:  # type: ignore[override]
        """Send all of it, within the time of one step."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("it is gone")
        if isinstance(data, str):
            data = data.encode(self.command_encoding)
        ends_at = self._step_ends_at()
        rest = memoryview(data)
        try:
            while rest:
                self.sock.settimeout(self._left(ends_at))
                rest = rest[self.sock.send(rest[:_PIECE]) :]
            self.sock.settimeout(self.step)
        except OSError:
            self._fail("it reads no more")

    def getreply(self) -> tuple[int, bytes]:
        """One answer, within the time of one step; -1: it is none."""
        ends_at = self._step_ends_at()
        texts: list[bytes] = []
        size = 0
        while True:
            line = self._line(ends_at)
            size += len(line)
            if size > LONGEST_ANSWER:
                self._fail("its answer has no end")
            texts.append(line[4:].strip(b" \t\r\n"))
            if not (line[:3].isdigit() and len(line[:3]) == 3):
                return -1, b"\n".join(texts)
            if line[3:4] != b"-":
                return int(line[:3]), b"\n".join(texts)

    def _line(self, ends_at: float) -> bytes:
        while b"\n" not in self._buffer:
            if len(self._buffer) > LONGEST_LINE:
                self._fail("its answer has no end")
            try:
                if self.sock is None:
                    raise ConnectionResetError(errno.ENOTCONN, "it is gone")
                self.sock.settimeout(self._left(ends_at))
                read = self.sock.recv(LONGEST_LINE)
                self.sock.settimeout(self.step)
            except OSError:
                self._fail("it says nothing more")
            if not read:
                self._fail("it closes the connection")
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    # -- time ----------------------------------------------------------------

    def _step_ends_at(self) -> float:
        return self._clock() + self.step

    def _left(self, ends_at: float) -> float:
        """Seconds. :raises OSError: there are none."""
        now = self._clock()
        if self._ends_at <= now:
            raise OSError(
                errno.ETIME, f"all steps took more than {self._most:g} s"
            )
        if ends_at <= now:
            raise TimeoutError(errno.ETIMEDOUT, "timed out")
        return max(_LEAST, min(ends_at, self._ends_at) - now)

    def _fail(self, words: str) -> NoReturn:
        """Close, and say why: what is being handled is the cause."""
        self.close()
        if self._plug.is_pulled:
            raise CutOffError(STOPS)
        raise smtplib.SMTPServerDisconnected(words)
