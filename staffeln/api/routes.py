# SPDX-License-Identifier: Apache-2.0
"""The one table of what the API answers, and to whom.

Method and path are those of exactly one row: nothing is answered for what
comes under other paths later, such as ``POST /v1/backup/{target}``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import flask

from staffeln.api import bodies, errors, handlers, parameters

Values = dict[str, str]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One status of a route: what comes with it."""

    description: str
    content: Mapping[str, Mapping[str, Any]]
    """Schemas, by content type."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row: what is asked, who answers, and with what."""

    method: str
    path: str
    name: str
    """Of its handler, and of its operation in OpenAPI."""
    summary: str
    parameters: tuple[parameters.Parameter, ...] = ()
    body: Mapping[str, Mapping[str, Any]] | None = None
    """Schemas of the body that it reads, by content type."""
    answers: Mapping[int, Answer]

    def handler(
        self, found: handlers.Handlers
    ) -> Callable[[Values], flask.Response]:
        """Who answers."""
        handler: Callable[[Values], flask.Response] = getattr(found, self.name)
        return handler


_TARGET = {
    "type": "object",
    "description": "What Cinder says of the backup.",
    "properties": {
        "id": {"type": "string"},
        "volume_id": {"type": ["string", "null"]},
        "user_id": {"type": ["string", "null"]},
        "metadata": {
            "type": ["object", "null"],
            "additionalProperties": {"type": "string"},
        },
    },
}
_JSON_TEXT = {"type": "string", "description": "A JSON text."}
_POLICY_CHECK = {
    bodies.FORM: {
        "type": "object",
        "properties": {
            "rule": _JSON_TEXT,
            "target": _JSON_TEXT,
            "credentials": _JSON_TEXT,
        },
    },
    bodies.JSON: {
        "type": "object",
        "properties": {
            "rule": {},
            "target": _TARGET,
            "credentials": {},
        },
    },
}
_HEALTH = {
    "type": "object",
    "required": ["status", "problems"],
    "additionalProperties": False,
    "properties": {
        "status": {"enum": ["live", "ready", "not ready"]},
        "problems": {"type": "array", "items": {"type": "string"}},
    },
}


def _error(description: str) -> Answer:
    return Answer(
        description=description,
        content={
            "application/json": errors.SCHEMA,
            "text/plain": {"type": "string", "not": {"const": "True"}},
        },
    )


_BAD = {400: _error("A parameter is missing, unknown, repeated or strange.")}
_BUG = {500: _error("Staffeln failed; its log tells more.")}

CHECK = Route(
    method="POST",
    path="/v1/backup",
    name="check",
    summary=(
        "May this backup be deleted? For oslo.policy's http check, which "
        "looks at the text only: each other answer has another text."
    ),
    parameters=(parameters.BACKUP_ID,),
    body=_POLICY_CHECK,
    answers={
        200: Answer(
            description=(
                "True: Staffeln does not manage it. False: it does, or it "
                "cannot be told."
            ),
            content={"text/plain": {"enum": ["True", "False"]}},
        ),
        **_BAD,
        413: _error("The body is too large."),
        **_BUG,
    },
)
HEALTH = Route(
    method="GET",
    path="/v1/health",
    name="health",
    summary="Whether the process lives, or can answer checks.",
    parameters=(parameters.PROBE,),
    answers={
        200: Answer(
            description="All is well.", content={"application/json": _HEALTH}
        ),
        **_BAD,
        **_BUG,
        503: Answer(
            description="Checks are answered with a no.",
            content={"application/json": _HEALTH},
        ),
    },
)
OPENAPI = Route(
    method="GET",
    path="/openapi.json",
    name="openapi",
    summary="This document.",
    answers={
        200: Answer(
            description="OpenAPI 3.1.",
            content={"application/json": {"type": "object"}},
        ),
        **_BAD,
        **_BUG,
    },
)
METRICS = Route(
    method="GET",
    path="/metrics",
    name="metrics",
    summary="Numbers, as Prometheus reads them.",
    answers={
        200: Answer(
            description="Prometheus's text format.",
            content={"text/plain": {"type": "string"}},
        ),
        **_BAD,
        **_BUG,
    },
)


def table(*, metrics: bool) -> tuple[Route, ...]:
    """All rows; whether metrics are among them is configured."""
    return (CHECK, HEALTH, OPENAPI, *((METRICS,) if metrics else ()))
