# SPDX-License-Identifier: Apache-2.0
"""All errors in one form, and none with a body that reads as a yes.

oslo.policy does not look at the status: a body that is ``True`` allows.
"""

from __future__ import annotations

import http
import json
import logging
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import flask
from werkzeug import exceptions

from staffeln.api import trace
from staffeln.ports import occasion

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LOG = logging.getLogger(__name__)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "title", "message", "request_id"],
            "additionalProperties": False,
            "properties": {
                "code": {"type": "integer", "minimum": 400, "maximum": 599},
                "title": {"type": "string"},
                "message": {"type": "string"},
                "request_id": {"type": "string"},
            },
        }
    },
}
"""The JSON form."""

MESSAGES = {
    404: "There is nothing at this path.",
    405: "This path does not know this method.",
    413: "The body is too large.",
    414: "The path and the query are too long.",
    417: "Nothing of that kind is to be expected.",
    431: "The headers are too large.",
    500: "Staffeln failed; its log tells more.",
}
"""What is said of errors that come of no handler."""

_KEPT_HEADERS = frozenset({"Allow", "Retry-After"})


def install(app: flask.Flask) -> None:
    """Let everything that is raised become an answer of this form."""
    app.register_error_handler(exceptions.HTTPException, _refused)
    app.register_error_handler(Exception, _failed)


def guard(inner: WSGIApplication) -> WSGIApplication:
    """Answer for what is raised outside of any request of Flask's."""

    def outer(
        environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        try:
            with occasion.about(request=trace.request_id(environ)):
                return inner(environ, start_response)
        except exceptions.HTTPException as error:
            code = error.code or 500
        except Exception as error:  # noqa: BLE001  a server would tell more
            code = 500
            tell(error, "-")
        status, headers, body = refusal(code, trace.request_id(environ), "")
        start_response(status, headers)
        return [body]

    return outer


def refusal(
    code: int, request_id: str, accept: str
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status, headers and body of an answer that Flask has no part in."""
    body, content_type = form(code, _message(code), request_id, accept)
    headers = [
        ("Content-Type", content_type),
        ("Content-Length", str(len(body))),
        (trace.HEADER, request_id),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
    ]
    return f"{code} {_title(code)}", headers, body


def tell(error: BaseException, request_id: str) -> None:
    """Log a bug: where it is, and nothing of what was sent.

    An error's own text may quote a body, and that may hold a token.
    """
    LOG.error(
        "A request failed with %s [%s]\n%s",
        type(error).__name__,
        request_id,
        "".join(traceback.format_tb(error.__traceback__)),
    )


def form(
    code: int, message: str, request_id: str, accept: str
) -> tuple[bytes, str]:
    """The body of an error and its content type: JSON unless text is asked.

    :param accept: the request's header of that name.
    """
    title = _title(code)
    if _wants_text(accept):
        text = f"{code} {title}: {message} [{request_id}]\n"
        return text.encode(), "text/plain; charset=utf-8"
    error = {
        "code": code,
        "title": title,
        "message": message,
        "request_id": request_id,
    }
    return json.dumps({"error": error}).encode(), "application/json"


def _refused(error: exceptions.HTTPException) -> flask.Response:
    code = error.code or 500
    if code < 400:
        # Nothing of ours sends anybody elsewhere.
        code = 404
    return _answer(code, _words(error, code), error.get_headers())


def _failed(error: Exception) -> flask.Response:
    tell(error, flask.g.trace.request_id)
    return _answer(500, MESSAGES[500], [])


def _answer(
    code: int, message: str, headers: Iterable[tuple[str, str]]
) -> flask.Response:
    accept = flask.request.environ.get("HTTP_ACCEPT", "")
    body, content_type = form(code, message, flask.g.trace.request_id, accept)
    answer = flask.Response(body, code, content_type=content_type)
    for name, value in headers:
        if name in _KEPT_HEADERS:
            answer.headers[name] = value
    return answer


def _words(error: exceptions.HTTPException, code: int) -> str:
    """Our own words; never those of a library, which may quote."""
    if type(error) is exceptions.BadRequest and error.description:
        return error.description
    return _message(code)


def _message(code: int) -> str:
    return MESSAGES.get(code, "The request cannot be answered.")


def _title(code: int) -> str:
    try:
        return http.HTTPStatus(code).phrase
    except ValueError:
        return "Error"


def _wants_text(accept: str) -> bool:
    """Whether text is named before JSON, or without it."""
    named = accept.lower()
    text, found = named.find("text/plain"), named.find("application/json")
    return text >= 0 and (found < 0 or text < found)
