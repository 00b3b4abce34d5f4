# SPDX-License-Identifier: Apache-2.0
"""Asks staffeln-api as Cinder does, and how it is."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import urllib.parse
from collections.abc import Callable, Sequence

from staffeln.domain import errors
from staffeln.status.patient import PolicyDoor

LONGEST_ANSWER = 64 * 1024
"""Bytes that are read of an answer."""

_CHECK = "/v1/backup"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_FAULTS = (OSError, http.client.HTTPException, ValueError)


def door(
    url: str,
    tls: Callable[[], ssl.SSLContext],
    timeout: float,
) -> PolicyDoor:
    """How it is asked at a URL; nobody is asked yet.

    :param url: with http or https, as Cinder's policy file has it: a prefix
        before ``/v1/backup`` counts, and that itself may be left out.
    :param tls: what its certificate is checked with.
    :param timeout: seconds for each step of a call.
    :raises ConfigurationError: it is no such URL.
    """
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urllib.parse.urlsplit(""), None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise errors.ConfigurationError(
            "the URL of staffeln-api must begin with http:// or https:// and "
            "a host"
        )
    host = parts.hostname
    where = f"[{host}]" if ":" in host else host
    prefix = parts.path.rstrip("/").removesuffix(_CHECK)
    shown = (
        f"{parts.scheme}://{where}"
        + (f":{port}" if port is not None else "")
        + prefix
    )

    def call(method: str, path: str, body: str | None) -> tuple[int, bytes]:
        try:
            connection = (
                http.client.HTTPSConnection(
                    host, port, timeout=timeout, context=tls()
                )
                if parts.scheme == "https"
                else http.client.HTTPConnection(host, port, timeout=timeout)
            )
            with contextlib.closing(connection):
                connection.request(
                    method,
                    prefix + path,
                    body,
                    _FORM if body is not None else {},
                )
                answer = connection.getresponse()
                return answer.status, answer.read(LONGEST_ANSWER)
        except _FAULTS as error:
            raise errors.StaffelnError(
                f"staffeln-api at {shown} does not answer: {_why(error)}"
            ) from None

    def ask(backup_id: str) -> tuple[int, str]:
        target = urllib.parse.urlencode(
            {"target": json.dumps({"id": backup_id})}
        )
        status, body = call("POST", f"{_CHECK}?backup_id={backup_id}", target)
        return status, body.decode("utf-8", "replace")

    return PolicyDoor(url=shown, ask=ask, health=lambda: _health(call))


def _health(
    call: Callable[[str, str, str | None], tuple[int, bytes]],
) -> Sequence[str]:
    """What it says of itself; nothing where it says nothing."""
    try:
        _, body = call("GET", "/v1/health", None)
        found = json.loads(body)["problems"]
    except (errors.StaffelnError, LookupError, TypeError, ValueError):
        return ()
    return [str(each) for each in found] if isinstance(found, list) else ()


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"{type(error).__name__}: {error}"
