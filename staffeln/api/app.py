# SPDX-License-Identifier: Apache-2.0
"""The Flask application: what a request passes, from first to last.

1. ``errors.guard``: whatever else fails, the answer is one of ours.
2. behind a proxy: the client's address as the proxy says it.
3. ``_begin``: the request's id and its watch.
4. the handler of the one row of :mod:`staffeln.api.routes` that fits, with
   the parameters read; what is raised becomes an answer in
   :mod:`staffeln.api.errors`.
5. ``_finish``: headers, the line in the log, the numbers.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable

import flask
from werkzeug import exceptions
from werkzeug.middleware import proxy_fix

from staffeln import ports
from staffeln.api import errors, handlers, openapi, parameters, routes, trace
from staffeln.metrics import prometheus

ELSEWHERE = "none"
"""The route, in numbers, of requests to no route of ours."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of."""

    check: ports.DeletionCheck
    """The door to the database for the delete check."""
    health: ports.Health
    metrics: Callable[[], bytes] | None
    """Renders Prometheus's text; None: it is not served here."""
    max_body: int = 1_048_576
    """Bytes that a body has at most."""
    proxied: bool = False
    """Behind a proxy: what it says of the client is believed, one hop."""


def create_app(parts: Parts) -> flask.Flask:
    """The application, as a WSGI server runs it."""
    app = flask.Flask("staffeln.api", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    # Nobody is sent elsewhere for a slash.
    app.url_map.merge_slashes = False
    app.before_request(_begin)
    app.after_request(_finish)
    errors.install(app)
    table = routes.table(metrics=parts.metrics is not None)
    document = json.dumps(openapi.document(table)).encode()
    _install(app, table, handlers.Handlers(parts, document))
    inner = app.wsgi_app
    if parts.proxied:
        inner = proxy_fix.ProxyFix(
            inner, x_for=1, x_proto=0, x_host=0, x_port=0, x_prefix=0
        )
    app.wsgi_app = errors.guard(inner)  # type: ignore[assignment, method-assign]
    return app


def _install(
    app: flask.Flask,
    table: tuple[routes.Route, ...],
    found: handlers.Handlers,
) -> None:
    for route in table:
        app.add_url_rule(
            route.path,
            endpoint=route.name,
            view_func=functools.partial(_view, route, route.handler(found)),
            methods=[route.method],
            provide_automatic_options=False,
        )


def _view(
    route: routes.Route,
    handler: Callable[[routes.Values], flask.Response],
) -> flask.Response:
    """Read the parameters, then let the handler answer."""
    environ = flask.request.environ
    if environ.get("PATH_INFO") != route.path:
        # Werkzeug takes any number of slashes before a path for one.
        raise exceptions.NotFound
    query = environ.get("QUERY_STRING", "")
    values = parameters.read(query, route.parameters)
    flask.g.trace.values = values
    return handler(values)


def _begin() -> None:
    flask.g.trace = trace.Trace(flask.request.environ)


def _finish(answer: flask.Response) -> flask.Response:
    asked: trace.Trace = flask.g.trace
    answer.headers[trace.HEADER] = asked.request_id
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    seconds = asked.seconds()
    asked.log(answer.status_code, seconds)
    rule, method = flask.request.url_rule, flask.request.method
    prometheus.observe(
        method if method in _METHODS else "other",
        rule.rule if rule is not None else ELSEWHERE,
        answer.status_code,
        seconds,
    )
    return answer
