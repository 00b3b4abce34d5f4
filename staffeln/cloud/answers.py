# SPDX-License-Identifier: Apache-2.0
"""What the services answered, in words of ours: translation of errors.

An error of requests, keystoneauth or HTTP becomes one of the kinds of
:mod:`staffeln.domain.errors` here and nowhere else. Its text is one line of
bounded length, without markup, control characters or secrets.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import email.utils
import html
import json
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import requests
import urllib3.exceptions
from keystoneauth1 import exceptions as ksa

from staffeln.domain import errors

LONGEST_TEXT = 300
"""Characters of a service's own words that go into a message."""

_INVISIBLE = re.compile(
    r"<(script|style|head)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL
)
_MARKUP = re.compile(r"<[a-zA-Z/!][^>]*>")
_NOT_PRINTABLE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_TOKENS = re.compile(r"\b(gAAAAA|eyJ)[\w.=-]{16,}")
_KEYSTONEAUTH_TAIL = re.compile(r"( \(HTTP \d+\)| \(Request-ID: [^)]*\))+$")
_USER_INFORMATION = re.compile(r"//[^/@\s]+@")


def one_line(text: str, secrets: Iterable[str] = ()) -> str:
    """Make foreign text fit for a log: one short line without secrets."""
    text = text[: LONGEST_TEXT * 100]
    for secret in secrets:
        text = text.replace(secret, "***")
    text = html.unescape(_MARKUP.sub(" ", _INVISIBLE.sub(" ", text)))
    text = _USER_INFORMATION.sub("//***@", _TOKENS.sub("***", text))
    text = _NOT_PRINTABLE.sub(" ", text).strip()
    if len(text) > LONGEST_TEXT:
        text = text[: LONGEST_TEXT - 3].rstrip() + "..."
    return text


@dataclasses.dataclass(frozen=True, slots=True)
class Asked:
    """Which question an answer belongs to."""

    service: str
    """Its name for people, such as Cinder."""
    method: str
    path: str
    secrets: tuple[str, ...] = ()
    not_found: str = "itemNotFound"
    """What the service's own faults with status 404 are called."""
    missing: str = ""
    """What the words of a 404 must name to prove that it is not there."""

    def message(self, words: str, detail: str = "") -> str:
        """One line: who said what, to which question."""
        details = f"{self.method} {self.path}"
        if detail:
            details = f"{detail}, {details}"
        return f"{self.service}: {one_line(words, self.secrets)} ({details})"


class FailedCall(Exception):
    """One try failed: the error that it amounts to, and whether to repeat."""

    def __init__(
        self,
        error: errors.CloudError,
        *,
        transient: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.transient = transient
        self.retry_after = retry_after
        """Seconds that the service asks to wait."""


# -- no answer -------------------------------------------------------------


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it wraps or was made from.

    Only keystoneauth's errors are followed by context: for others that
    may be an older error which our caller is just handling.
    """
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        item = waiting.pop(0)
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        yield item
        if isinstance(item, ksa.ClientException):
            waiting.append(item.__context__)
        waiting += [item.__cause__, getattr(item, "reason", None), *item.args]


def _connection_was_made(causes: list[BaseException]) -> bool:
    """Whether the request may have left this host."""
    never = (
        urllib3.exceptions.NewConnectionError,
        urllib3.exceptions.NameResolutionError,
        urllib3.exceptions.ConnectTimeoutError,
        requests.exceptions.ConnectTimeout,
        requests.exceptions.InvalidURL,
        requests.exceptions.MissingSchema,
        requests.exceptions.InvalidSchema,
        ssl.SSLCertVerificationError,
    )
    return not any(isinstance(cause, never) for cause in causes)


def _short_reason(causes: list[BaseException]) -> str:
    """The innermost words of a failed connection."""
    for cause in reversed(causes):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {cause.verify_message}"
    if any(isinstance(c, requests.exceptions.ConnectTimeout) for c in causes):
        return "the connection timed out"
    if any(isinstance(c, requests.exceptions.Timeout) for c in causes):
        return "no answer in time"
    for cause in causes:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
    return str(causes[-1]) or type(causes[-1]).__name__


def from_exception(error: Exception, asked: Asked, where: str) -> FailedCall:
    """Translate an error that came instead of an answer.

    :param where: scheme, host and port that were asked.
    """
    causes = list(_causes(error))
    reason = _short_reason(causes)
    untrusted = any(
        isinstance(c, ssl.SSLCertVerificationError) for c in causes
    )
    if _connection_was_made(causes):
        kind: type[errors.CloudError] = errors.NoAnswerError
        words = f"no answer from {where}: {reason}"
    else:
        kind = errors.NotSentError
        words = f"not reached at {where}: {reason}"
    return FailedCall(kind(asked.message(words)), transient=not untrusted)


# -- an answer -------------------------------------------------------------


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """The OpenStack request id of an answer."""
    return headers.get("x-openstack-request-id") or headers.get(
        "x-compute-request-id"
    )


def retry_after_of(
    headers: Mapping[str, str], now: datetime.datetime
) -> float | None:
    """Seconds to wait by the Retry-After header: a number or a date.

    :param now: this host's time, with a zone.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isdecimal() and len(text) < 10:
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max(0.0, (moment - now).total_seconds())


def fault_of(response: requests.Response) -> tuple[str, str] | None:
    """Name and message of a fault in the services' own JSON form.

    Cinder and Nova answer ``{"itemNotFound": {"message": ..., "code":
    404}}``, Keystone calls every fault ``error``. None: the body has
    another form, so a proxy may have made it.
    """
    try:
        body = response.json()
    except ValueError:
        return None
    if not isinstance(body, dict) or len(body) != 1:
        return None
    ((name, fault),) = body.items()
    if not isinstance(fault, dict) or not isinstance(
        fault.get("message"), str
    ):
        return None
    return name, fault["message"]


_KINDS: dict[int, type[errors.CloudError]] = {
    400: errors.InvalidRequestError,
    401: errors.TokenRefusedError,
    403: errors.ForbiddenError,
}


def _kind(
    status: int, fault: tuple[str, str] | None, asked: Asked
) -> type[errors.CloudError]:
    """Which of our errors a status amounts to."""
    name, words = fault or ("", "")
    if status >= 500:
        return errors.NoAnswerError
    if status == 404:
        # Only the service's own words prove that something is not there.
        if name == asked.not_found and asked.missing in words:
            return errors.NotFoundError
        return errors.NoAnswerError
    if status == 413 and name == "overLimit":
        return errors.OverQuotaError
    if status == 429:
        return errors.NotSentError
    return _KINDS.get(status, errors.RefusedError)


def check(response: requests.Response, asked: Asked) -> None:
    """Let a good status pass.

    :raises FailedCall: with the error that any other status amounts to.
    """
    status = response.status_code
    request_id = request_id_of(response.headers)
    if 200 <= status < 300:
        return
    if status < 400:
        words = "an unexpected redirection, to a login page or another host"
        raise FailedCall(
            errors.MalformedAnswerError(
                asked.message(words, str(status)),
                status=status,
                request_id=request_id,
            )
        )
    fault = fault_of(response)
    words = fault[1] if fault else response.text or response.reason or ""
    details = f"{status}, {request_id}" if request_id else str(status)
    raise FailedCall(
        _kind(status, fault, asked)(
            asked.message(words or "no words", details),
            status=status,
            request_id=request_id,
        ),
        transient=status == 429 or status >= 500,
        retry_after=retry_after_of(
            response.headers, datetime.datetime.now(datetime.UTC)
        )
        if status in {429, 503}
        else None,
    )


def malformed(
    response: requests.Response, asked: Asked, words: str
) -> FailedCall:
    """A good status with a body that is not what it should be."""
    return FailedCall(
        errors.MalformedAnswerError(
            asked.message(words, str(response.status_code)),
            status=response.status_code,
            request_id=request_id_of(response.headers),
        )
    )


def body_of(response: requests.Response, asked: Asked, key: str) -> Any:
    """The answer's JSON object, which must have a key.

    :raises FailedCall: with a MalformedAnswerError.
    """
    try:
        body = response.json()
    except (ValueError, RecursionError, json.JSONDecodeError):
        raise malformed(response, asked, "the body is not JSON") from None
    if not isinstance(body, dict) or key not in body:
        raise malformed(response, asked, f"the body has no {key!r}")
    return body


@contextlib.contextmanager
def reading(asked: Asked) -> Iterator[None]:
    """Turn what goes wrong while reading into a MalformedAnswerError."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        words = f"the answer cannot be read: {type(error).__name__} {error}"
        raise errors.MalformedAnswerError(asked.message(words)) from None


def date_of(response: requests.Response, asked: Asked) -> datetime.datetime:
    """When the service answered, by its own clock: UTC without a zone.

    :raises FailedCall: with a MalformedAnswerError.
    """
    text = response.headers.get("Date", "")
    try:
        moment = email.utils.parsedate_to_datetime(text)
        if moment.tzinfo is not None:
            moment = moment.astimezone(datetime.UTC).replace(tzinfo=None)
    except (IndexError, OverflowError, TypeError, ValueError):
        words = f"the Date header {text!r} is no date"
        raise malformed(response, asked, words) from None
    return moment


# -- Keystone, through keystoneauth ----------------------------------------


def from_keystone(error: Exception, asked: Asked, where: str) -> FailedCall:
    """Translate what keystoneauth raised instead of a token.

    Without a token nothing else is sent, so whatever is not a refusal is a
    NotSentError for the call that the token was meant for.
    """
    http = next(
        (
            cause
            for cause in _causes(error)
            if isinstance(cause, ksa.HttpError) and cause.http_status >= 400
        ),
        None,
    )
    if http is None:
        failed = from_exception(error, asked, where)
        return FailedCall(
            errors.NotSentError(str(failed.error)), transient=failed.transient
        )
    status = http.http_status
    response = http.response
    headers = response.headers if response is not None else {}
    kind: type[errors.CloudError] = errors.NotSentError
    words = _KEYSTONEAUTH_TAIL.sub("", http.message or "no words")
    if status in {400, 401, 403}:
        kind = errors.ForbiddenError
    if status == 404:
        words = f"no identity API at {where}, check auth_url: {words}"
    return FailedCall(
        kind(
            asked.message(
                words,
                f"{status}, {http.request_id}"
                if http.request_id
                else str(status),
            ),
            status=status,
            request_id=http.request_id,
        ),
        transient=status == 429 or status >= 500,
        retry_after=retry_after_of(
            headers, datetime.datetime.now(datetime.UTC)
        ),
    )
