# SPDX-License-Identifier: Apache-2.0
"""Requests, answers, and the faults that services answer with."""

from __future__ import annotations

import dataclasses
import json
import urllib.parse
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(slots=True)
class Request:
    """What a client sent."""

    method: str
    path: str
    """Below the service's prefix."""
    query: str
    headers: Mapping[str, str]
    """By names in small letters."""
    body: bytes

    def params(self) -> dict[str, str]:
        """The query's parameters."""
        return dict(urllib.parse.parse_qsl(self.query))

    def document(self, key: str) -> dict[str, Any]:
        """The object under a key of the body.

        :raises Fault: there is none.
        """
        try:
            found = json.loads(self.body)[key]
        except (KeyError, TypeError, ValueError):
            found = None
        if not isinstance(found, dict):
            raise Fault(400, "badRequest", f"the body has no object {key}")
        return found


@dataclasses.dataclass(slots=True)
class Answer:
    """What a service says."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Fault(Exception):
    """A service's refusal.

    :param name: what the service calls it.
    """

    def __init__(
        self,
        status: int,
        name: str,
        words: str,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(words)
        self.status = status
        self.name = name
        self.words = words
        self.headers = headers

    def answer(self) -> Answer:
        """As Nova and Cinder say it."""
        body = {self.name: {"code": self.status, "message": self.words}}
        return Answer(self.status, json.dumps(body).encode(), self.headers)


def not_found(words: str) -> Fault:
    """It is not there, or it is another project's."""
    return Fault(404, "itemNotFound", words)


def bad_request(words: str) -> Fault:
    """It cannot be done as it was asked."""
    return Fault(400, "badRequest", words)


def unauthorized() -> Fault:
    """The token is none, or good no longer: said before the service."""
    return Fault(
        401, "error", "The request you have made requires authentication."
    )


def forbidden(rule: str) -> Fault:
    """A rule of the service's policy says no."""
    return Fault(
        403, "forbidden", f"Policy doesn't allow {rule} to be performed."
    )


def speaks(
    request: Request,
    service: str,
    oldest: tuple[int, int],
    newest: tuple[int, int],
) -> tuple[int, int]:
    """The microversion that a request is made in.

    :raises Fault: the service does not speak it.
    """
    text = request.headers.get("openstack-api-version", "")
    name, _, number = text.partition(" ")
    if name != service:
        return oldest
    try:
        major, minor = (int(part) for part in number.split("."))
    except ValueError:
        raise bad_request(f"API Version String {number} is invalid") from None
    if not oldest <= (major, minor) <= newest:
        raise Fault(
            406,
            "computeFault" if service == "compute" else "notAcceptable",
            f"Version {number} is not supported by the API. Minimum is "
            f"{oldest[0]}.{oldest[1]} and maximum is {newest[0]}.{newest[1]}.",
        )
    return major, minor
