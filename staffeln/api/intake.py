# SPDX-License-Identifier: Apache-2.0
"""All bytes of a request's body, or a refusal: never a part of them.

What is left of a body that was cut may say something else than the whole:
a form without its target is one that asks for nothing in particular.
"""

from __future__ import annotations

from typing import Any

from werkzeug import exceptions

from staffeln.api import bodies

_MOST_DIGITS = 18
"""Of a length; one with more is too large for any limit."""
_STEP = 65536
"""Bytes that are asked for at once."""


def whole(environ: dict[str, Any], most: int) -> bytes:
    """The body of a request.

    :param most: bytes that it has at most.
    :raises UnreadableError: there is one whose end the server does not tell.
    :raises HTTPException: it is too large, has a strange length, or did not
        come as a whole.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    if length and not (length.isascii() and length.isdigit()):
        # It would make a body look like none.
        raise exceptions.BadRequest("Content-Length is no number.")
    is_chunked = "HTTP_TRANSFER_ENCODING" in environ
    if length and not is_chunked:
        return _of_length(environ["wsgi.input"], length, most)
    if environ.get("wsgi.input_terminated"):
        return _to_the_end(environ["wsgi.input"], most)
    if is_chunked:
        raise bodies.UnreadableError
    return b""


def _of_length(source: Any, length: str, most: int) -> bytes:
    if len(length) > _MOST_DIGITS or int(length) > most:
        raise exceptions.RequestEntityTooLarge
    found = _read(source, int(length))
    if len(found) < int(length):
        raise exceptions.BadRequest("The body is shorter than it says.")
    return found


def _to_the_end(source: Any, most: int) -> bytes:
    found = _read(source, most + 1)
    if len(found) > most:
        raise exceptions.RequestEntityTooLarge
    return found


def _read(source: Any, most: int) -> bytes:
    found = bytearray()
    try:
        while more := source.read(min(most - len(found), _STEP)):
            found += more
    except Exception:  # noqa: BLE001  each server has its own
        # Chunks that are none, a client that went away or fell silent.
        raise exceptions.BadRequest("The body is broken.") from None
    return bytes(found)
