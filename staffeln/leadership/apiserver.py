# SPDX-License-Identifier: Apache-2.0
"""The three calls that a Lease needs, as Kubernetes' API server answers.

Each is sent once and ends within its timeout. An answer that is not one of
Kubernetes, an ingress's page for example, is no answer: nothing is concluded
from its status.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import urllib3
from kubernetes import client
from kubernetes.client import exceptions as refusals
from kubernetes.config import config_exception

from staffeln.domain import errors
from staffeln.leadership import access
from staffeln.leadership.settings import Settings

Json = Mapping[str, Any]

_SHORTEST = 0.05
"""Seconds that a call gets at least: none is sent without time."""
_LONGEST_TEXT = 300
_WRONG = frozenset({400, 401, 403, 405, 406, 415, 422})
"""Refusals that stay the same when the call is made again."""


class ApiServer:
    """One Lease at one API server."""

    def __init__(self, settings: Settings, holder: str) -> None:
        """:raises ConfigurationError: there is no way to it; nobody is asked.

        :param holder: what the API server's audit log shows.
        """
        self._settings = settings
        self._holder = "".join(x if x.isprintable() else "?" for x in holder)
        self.namespace = access.namespace(settings)
        self.name = settings.lease_name
        self.host = access.server(settings)
        self._access: access.Access | None = None
        self._client: client.ApiClient | None = None

    def get(self, timeout: float) -> Json | None:
        """Read the Lease; None: there is none.

        :raises CoordinationError: no answer.
        :raises ConfigurationError: it is refused.
        """
        try:
            return self._call(
                "get",
                timeout,
                lambda api, kwargs: api.read_namespaced_lease(
                    self.name, self.namespace, **kwargs
                ),
            )
        except _Missing:
            return None

    def create(self, spec: Json, timeout: float) -> Json | None:
        """Make the Lease; None: there is one already.

        :raises CoordinationError: no answer; it may be made.
        :raises ConfigurationError: it is refused.
        """
        body = self._body({"name": self.name}, spec)
        try:
            return self._call(
                "create",
                timeout,
                lambda api, kwargs: api.create_namespaced_lease(
                    self.namespace, body, **kwargs
                ),
            )
        except _Conflict:
            return None

    def replace(self, old: Json, spec: Json, timeout: float) -> Json | None:
        """Give the Lease other contents, if it is still as it was read.

        None: it was changed or removed meanwhile.

        :raises CoordinationError: no answer; it may be changed.
        :raises ConfigurationError: it is refused.
        """
        # Its metadata holds uid and resourceVersion: without the one a
        # removed Lease would be made, without the other a changed one lost.
        body = self._body(old["metadata"], spec)
        try:
            return self._call(
                "update",
                timeout,
                lambda api, kwargs: api.replace_namespaced_lease(
                    self.name, self.namespace, body, **kwargs
                ),
            )
        except (_Conflict, _Missing):
            return None

    def may(self, verb: str, timeout: float) -> bool:
        """Whether this account may do that with the Lease; changes nothing.

        Kubernetes answers a review of oneself, and keeps none.

        :raises CoordinationError: no answer.
        :raises ConfigurationError: it tells this account nothing.
        """
        attributes = {
            "group": "coordination.k8s.io",
            "resource": "leases",
            "verb": verb,
            "namespace": self.namespace,
        }
        if verb != "create":
            # What is made has no name yet that a Role could allow.
            attributes["name"] = self.name
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        found = self._answer(
            "review",
            timeout,
            lambda api, kwargs: client.AuthorizationV1Api(
                api
            ).create_self_subject_access_review(body, **kwargs),
        )
        status = found.get("status") if found else None
        if not isinstance(status, dict) or not isinstance(
            status.get("allowed"), bool
        ):
            raise self._silence("review", "the answer is not a review")
        return bool(status["allowed"])

    def close(self) -> None:
        """Close all connections; the next call opens them again."""
        if self._client is not None:
            self._client.rest_client.pool_manager.clear()
            self._client.close()
            self._client = None
        if self._access is not None:
            self._access.close()
            self._access = None

    def _body(self, metadata: Json, spec: Json) -> dict[str, Any]:
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": dict(metadata),
            "spec": dict(spec),
        }

    # -- one call ----------------------------------------------------------

    def _call(
        self,
        verb: str,
        timeout: float,
        send: Callable[[client.CoordinationV1Api, dict[str, Any]], Any],
    ) -> Json:
        try:
            return self._send(verb, timeout, send)
        except _Unauthorized:
            # The token may have been exchanged for another one: read it
            # again. What was refused was not carried out.
            self.close()
            return self._send(verb, timeout, send)

    def _send(
        self,
        verb: str,
        timeout: float,
        send: Callable[[client.CoordinationV1Api, dict[str, Any]], Any],
    ) -> Json:
        found = self._answer(
            verb,
            timeout,
            lambda api, kwargs: send(client.CoordinationV1Api(api), kwargs),
        )
        if found is None or found.get("kind") != "Lease":
            raise self._silence(verb, "the answer is not a Lease")
        metadata = found.get("metadata")
        if not isinstance(metadata, dict) or not all(
            isinstance(metadata.get(key), str) and metadata[key]
            for key in ("uid", "resourceVersion")
        ):
            raise self._silence(verb, "the answer is half a Lease")
        return found

    def _answer(
        self,
        verb: str,
        timeout: float,
        send: Callable[[client.ApiClient, dict[str, Any]], Any],
    ) -> Json | None:
        """The JSON object that comes; None: none comes."""
        limit = max(timeout, _SHORTEST)
        kwargs = {"_preload_content": False, "_request_timeout": limit}
        try:
            body = send(self._open(), kwargs).data
        except refusals.ApiException as error:
            raise self._refusal(verb, error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._silence(verb, _words(error, limit)) from None
        except config_exception.ConfigException:
            raise self._silence(verb, "the token cannot be read") from None
        except ValueError:
            # Its words may quote the token.
            raise self._silence(verb, "the token cannot be sent") from None
        return _parse(body)

    def _open(self) -> client.ApiClient:
        if self._client is None:
            self._access = access.Access(self._settings)
            self._client = client.ApiClient(self._access.configuration)
            self._client.user_agent = f"staffeln ({self._holder})"
        return self._client

    # -- refusals and silence ----------------------------------------------

    def _refusal(self, verb: str, error: refusals.ApiException) -> Exception:
        status = _parse(error.body)
        if status is None or status.get("kind") != "Status":
            what = one_line(error.reason or "no reason")
            return self._silence(
                verb,
                f"HTTP {error.status} ({what}), which is not an answer of "
                "Kubernetes"
                if error.status
                else what,
            )
        says = one_line(status.get("message") or error.reason or "")
        details = status.get("details")
        kind = details.get("kind") if isinstance(details, dict) else None
        text = f"{self._asked(verb)}: HTTP {error.status}: {says}"
        match error.status:
            case 401:
                return _Unauthorized(
                    f"{text}: the token or certificate is not valid there, "
                    "or not any more"
                )
            case 403:
                return errors.ConfigurationError(
                    f"{self._asked(verb)}: HTTP 403: a Role in that namespace "
                    "with the verbs get, create and update on leases of "
                    "coordination.k8s.io, bound to this account, is missing: "
                    f"{says}"
                )
            case 404 if kind == "leases":
                return _Missing(text)
            case 409:
                return _Conflict(text)
        if error.status in _WRONG or error.status == 404:
            return errors.ConfigurationError(text)
        return errors.CoordinationError(text)

    def _silence(self, verb: str, why: str) -> errors.CoordinationError:
        return errors.CoordinationError(f"{self._asked(verb)}: {why}")

    def _asked(self, verb: str) -> str:
        return (
            f"Kubernetes at {self.host}, {verb} lease {self.name} in "
            f"namespace {self.namespace}"
        )


class _Missing(errors.ConfigurationError):
    """There is no such Lease."""


class _Conflict(errors.CoordinationError):
    """The Lease is not as the caller takes it to be."""


class _Unauthorized(errors.ConfigurationError):
    """The API server does not know who asks."""


def one_line(text: object) -> str:
    """A text of somebody else in one line, and not a long one."""
    words = " ".join(str(text).split())
    shown = "".join(x if x.isprintable() else "?" for x in words)
    if len(shown) > _LONGEST_TEXT:
        return f"{shown[:_LONGEST_TEXT]}..."
    return shown


def _parse(body: object) -> dict[str, Any] | None:
    """A JSON object; None: it is none."""
    if not isinstance(body, str | bytes):
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _words(error: Exception, timeout: float) -> str:
    """Why no answer came."""
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return f"not reachable: {one_line(error.__cause__ or error)}"
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return f"no answer within {timeout:.3g} s"
    return one_line(f"{type(error).__name__}: {error}")
