# SPDX-License-Identifier: Apache-2.0
"""HTTP on loopback: connections that stay open, one request at a time."""

from __future__ import annotations

import asyncio
import email.utils
import http
from collections.abc import Callable

from benchmarks.cloud.exchange import Answer, Request

LARGEST_BODY = 1 << 20
"""Bytes of a request."""

_PHRASES = {each.value: each.phrase for each in http.HTTPStatus}

Delay = Callable[[str], float]
"""Seconds until a request to a path is carried out."""
CarryOut = Callable[[Request], Answer | str]
"""Carries a request out; a text says how it fails without an answer."""
Clock = Callable[[], float]
"""Seconds since the epoch."""

CLOSE = "close"
"""End the connection."""
KEEP_SILENT = "keep silent"


class Connection(asyncio.Protocol):
    """A client's connection.

    :param opened: told of the path that it is for at first.
    """

    def __init__(
        self,
        delay: Delay,
        carry_out: CarryOut,
        clock: Clock,
        opened: Callable[[str], None],
    ) -> None:
        self._delay = delay
        self._carry_out = carry_out
        self._clock = clock
        self._opened = opened
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._busy = False
        self._used = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        """The client is gone; what it asked for is done all the same."""
        self._transport = None

    def data_received(self, data: bytes) -> None:
        """A part of a request, or all of it."""
        self._received += data
        if not self._busy:
            self._read()

    def _read(self) -> None:
        head, found, rest = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        length = headers.get("content-length", "0")
        method, _, target = first.partition(" ")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            self._close()
            return
        if len(rest) < int(length):
            return
        self._received = rest[int(length) :]
        path, _, query = target.partition(" ")[0].partition("?")
        request = Request(method, path, query, headers, rest[: int(length)])
        self._busy = True
        if not self._used:
            self._used = True
            self._opened(path)
        seconds = self._delay(path)
        if seconds > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(seconds, self._answer, request)
        else:
            self._answer(request)

    def _answer(self, request: Request) -> None:
        answer = self._carry_out(request)
        if answer == CLOSE:
            self._close()
            return
        if isinstance(answer, str) or self._transport is None:
            return
        head = [
            f"HTTP/1.1 {answer.status} {_PHRASES.get(answer.status, '')}",
            f"Date: {email.utils.formatdate(self._clock(), usegmt=True)}",
            "Content-Type: application/json",
            f"Content-Length: {len(answer.body)}",
        ]
        head += [f"{name}: {value}" for name, value in answer.headers]
        self._transport.write(
            "\r\n".join(head).encode("latin-1") + b"\r\n\r\n"
        )
        if answer.body:
            self._transport.write(answer.body)
        self._busy = False
        if request.headers.get("connection", "").lower() == "close":
            self._transport.close()
        elif self._received:
            self._read()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
