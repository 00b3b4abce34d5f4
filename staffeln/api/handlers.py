# SPDX-License-Identifier: Apache-2.0
"""What the API answers: a handler for each row of the table of routes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import flask
from werkzeug import exceptions

from staffeln.api import bodies, intake
from staffeln.domain import checking
from staffeln.metrics import prometheus

if TYPE_CHECKING:
    from staffeln.api.app import Parts

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"


class Handlers:
    """Handlers, with what they need."""

    def __init__(self, parts: Parts, openapi: bytes) -> None:
        self._parts = parts
        self._openapi = openapi

    def check(self, values: dict[str, str]) -> flask.Response:
        """May this backup be deleted? ``True`` or ``False``."""
        environ = flask.request.environ
        said: checking.DeletionTarget | None = None
        readable = True
        try:
            said = bodies.target(
                intake.whole(environ, self._parts.max_body),
                environ.get("CONTENT_TYPE", ""),
                environ.get("HTTP_CONTENT_ENCODING", ""),
            )
        except bodies.UnreadableError:
            readable = False
        answer = self._parts.check.may_delete(
            checking.DeletionQuestion(
                backup_id=values["backup_id"],
                target=said,
                readable=readable,
                request_id=flask.g.trace.request_id,
            )
        )
        word = "True" if answer.allowed is True else "False"
        flask.g.trace.told = word
        doubt = answer.doubt.name.lower() if answer.doubt else ""
        prometheus.count_check(word, doubt)
        return flask.Response(word.encode(), content_type=TEXT)

    def health(self, values: dict[str, str]) -> flask.Response:
        """How the process is, or what keeps it from answering checks."""
        if values.get("probe") == "live":
            self._parts.health.live()
            return _json({"status": "live", "problems": []})
        problems = self._parts.health.ready()
        status = "not ready" if problems else "ready"
        return _json(
            {"status": status, "problems": problems}, 503 if problems else 200
        )

    def metrics(self, _values: dict[str, str]) -> flask.Response:
        """Numbers, as Prometheus reads them."""
        render = self._parts.metrics
        if render is None:
            raise exceptions.NotFound
        return flask.Response(render(), content_type=prometheus.CONTENT_TYPE)

    def openapi(self, _values: dict[str, str]) -> flask.Response:
        """The document that describes all this."""
        return flask.Response(self._openapi, content_type=JSON)


def _json(found: Any, status: int = 200) -> flask.Response:
    return flask.Response(json.dumps(found), status, content_type=JSON)
