# SPDX-License-Identifier: Apache-2.0
"""Where the server listens, and connections that do not wait for ever."""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import errno
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable
from typing import Any

from staffeln.domain import errors

_BACKLOG = 2048

_ATTACH_FILTER = 26
"""SO_ATTACH_FILTER of Linux (socket(7)); the standard library lacks it."""
_NO_NEWCOMERS = b"".join(
    struct.pack("@HBBI", *instruction)
    for instruction in (
        (0x30, 0, 0, 13),  # load the byte of the TCP header with the flags
        (0x45, 0, 1, 0x02),  # has it SYN?
        (0x06, 0, 0, 0),  # then drop it
        (0x06, 0, 0, 0xFFFFFFFF),  # else all of it may pass
    )
)
"""A program of the classic Berkeley packet filter (RFC 9293 has the flags)."""


class AddressError(errors.StaffelnError):
    """An address cannot be listened on at this moment."""


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens, and the options that say so."""

    host: str
    port: int
    options: str
    secure: bool

    def __str__(self) -> str:
        """As a URL has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.secure else ''}://{host}:{self.port}"


class Listener(socket.socket):
    """A socket that listens; for gunicorn, which shows it by its name."""

    def __init__(self, address: Address) -> None:
        """:raises AddressError: or ConfigurationError; why not, in a line."""
        self.address = address
        self.patience = 0.0
        try:
            family, kind, protocol, _, found = socket.getaddrinfo(
                address.host,
                address.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )[0]
            super().__init__(family, kind, protocol)
        except (OSError, UnicodeError) as error:
            raise _no_listener(address, error) from None
        try:
            self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.bind(found)
            self.listen(_BACKLOG)
        except OSError as error:
            self.close()
            raise _no_listener(address, error) from None
        self.setblocking(False)

    def __str__(self) -> str:
        return str(self.address)

    @property
    def place(self) -> tuple[str, int]:
        """What it was asked to listen on."""
        return self.address.host, self.address.port

    def take_no_newcomers(self) -> None:
        """Drop who begins to connect, in all processes that have the socket.

        Whoever came between the last look at the queue and the end of the
        socket would have a connection that is reset. A client whose first
        packet is dropped sends it again after a second: it finds the next
        server then, or is refused.
        """
        program = ctypes.create_string_buffer(_NO_NEWCOMERS)
        whole = struct.pack("@HP", 4, ctypes.addressof(program))
        # Without it (another kernel, a sandbox) only that moment is open.
        with contextlib.suppress(OSError):
            self.setsockopt(socket.SOL_SOCKET, _ATTACH_FILTER, whole)

    def accept(self) -> tuple[socket.socket, Any]:
        """A connection that does not wait for its client for ever."""
        taken, peer = super().accept()
        made = _Connection(
            taken.family, taken.type, taken.proto, fileno=taken.detach()
        )
        made.patience = self.patience
        return made, peer


class _Patient:
    """A socket whose client has a limited time for all of a request.

    Else a client that falls silent in the midst of a handshake, a header
    or a body would hold its thread until it comes back, and one that sends
    a byte now and then for as long as it likes.
    """

    patience: float
    _until: float | None = None
    _is_late = False
    settimeout: Callable[[float | None], None]
    gettimeout: Callable[[], float | None]

    def setblocking(self, flag: bool) -> None:
        """Be patient with the next request, or do not wait at all."""
        self._until = None
        self.settimeout(self.patience if flag else 0.0)

    def recv(self, *arguments: Any) -> bytes:
        """:raises TimeoutError: all of the request's time is over."""
        self._hurry()
        try:
            found: bytes = super().recv(*arguments)  # type: ignore[misc]
        except TimeoutError:
            self._is_late = True
            raise
        return found

    def sendall(self, *arguments: Any) -> None:
        """An answer has a time of its own."""
        if self.gettimeout() != 0:
            self.settimeout(self.patience)
        super().sendall(*arguments)  # type: ignore[misc]

    def _hurry(self) -> None:
        allowed = self.gettimeout()
        if allowed == 0:
            return
        now = time.monotonic()
        if self._until is None:
            self._until = now + self.patience
        # Once late it stays so: whoever closes it waits for nothing more.
        self._is_late |= now >= self._until
        if self._is_late:
            raise TimeoutError("the request did not come in time")
        left = self._until - now
        self.settimeout(left if allowed is None else min(allowed, left))


class _Connection(_Patient, socket.socket):
    """A connection without TLS, or before it."""


def secure_connection(seconds: float) -> type[ssl.SSLSocket]:
    """The class of connections with TLS, which the context makes."""

    class SecureConnection(_Patient, ssl.SSLSocket):
        patience = seconds

    return SecureConnection


def _no_listener(address: Address, error: Exception) -> errors.StaffelnError:
    number = getattr(error, "errno", None)
    where = f"[api] {address.options}: {address}"
    if number == errno.EADDRINUSE:
        return AddressError(f"{where} is in use already")
    why = f"{where} cannot be listened on: "
    why += getattr(error, "strerror", None) or str(error)
    if number == errno.EACCES:
        return errors.ConfigurationError(why)
    return AddressError(why)


def close(listeners: Iterable[socket.socket]) -> None:
    for listener in listeners:
        listener.close()
