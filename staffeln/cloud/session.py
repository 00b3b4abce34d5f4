# SPDX-License-Identifier: Apache-2.0
"""Every call to the cloud goes through here.

Tokens come from :mod:`staffeln.cloud.scopes`, endpoints from
:mod:`staffeln.cloud.catalogue`, the wire from :mod:`staffeln.cloud.wire`.
"""

from __future__ import annotations

import datetime
import functools
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import requests
from keystoneauth1 import exceptions as ksa
from keystoneauth1 import session as ksa_session

from staffeln import version
from staffeln.cloud import answers, catalogue, scopes, settings, wire
from staffeln.cloud.retries import Retries
from staffeln.domain import errors

Params = Mapping[str, str | int]


class CloudSession:
    """A connection to one cloud, used by many threads at once.

    :param stop: set when the process is to end: nothing waits any more.
    :param observe: told of each HTTP call, see :data:`wire.Observe`.
    :param clock: a monotonic clock, in seconds.
    :param wait: waits seconds and tells whether to stop; for tests.
    """

    def __init__(
        self,
        options: settings.CloudSettings,
        *,
        stop: threading.Event | None = None,
        observe: wire.Observe | None = None,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.settings = options
        self._secrets = options.credentials.secrets
        self._retries = Retries(
            options, stop or threading.Event(), clock, wait
        )
        self._wire = wire.Wire(
            options.connect_timeout,
            options.read_timeout,
            observe,
            options.connections,
        )
        # Nothing of keystoneauth repeats: its defaults are no retries.
        self._http = ksa_session.Session(
            session=wire.requests_session(self._wire),
            verify=options.credentials.verify,
            cert=options.credentials.certificate,
            user_agent=f"staffeln/{version.version_string()}",
        )
        self._scopes = scopes.Scopes(options.credentials, self._http, clock)
        self._catalogue = catalogue.Catalogue(options.credentials, self._fetch)

    def service_access(self) -> scopes.Access:
        """The token of the service's own scope."""
        return self._retries.run(
            self._scopes.service().access, only_if_not_sent=False
        )

    def project_access(self, project_id: str) -> scopes.Access:
        """A token of the scope of a project.

        :raises NoRoleError: there is none for the service user.
        """
        return self._retries.run(
            lambda: self._scopes.of(project_id).access(),
            only_if_not_sent=False,
        )

    def forget_service_token(self) -> None:
        """Begin anew: roles that were given since are in no old token."""
        self._scopes.service().forget()

    def endpoint(self, service: catalogue.Service) -> catalogue.Endpoint:
        """Where a service is and which microversion it speaks with us."""
        return self._retries.run(
            lambda: self._endpoint(service), only_if_not_sent=False
        )

    def get(
        self,
        service: catalogue.Service,
        path: str,
        key: str,
        params: Params | None = None,
        project_id: str | None = None,
        missing: str = "",
    ) -> dict[str, Any]:
        """Read; the answer's JSON object, which has the key.

        :param project_id: the scope; None is the service's own.
        :param missing: what the words of a 404 must name to be believed.
        """
        asked = self._asked(service, "GET", path, missing)

        def call() -> dict[str, Any]:
            response = self._attempt(service, asked, project_id, params, None)
            body: dict[str, Any] = answers.body_of(response, asked, key)
            return body

        return self._retries.run(call, only_if_not_sent=False)

    def date(
        self,
        service: catalogue.Service,
        path: str,
        key: str,
        params: Params | None = None,
    ) -> datetime.datetime:
        """The service's clock while it reads: UTC without a zone.

        :param key: of the answer's JSON object, which shows that it is
            the service who answers.
        """
        asked = self._asked(service, "GET", path)

        def call() -> datetime.datetime:
            response = self._attempt(service, asked, None, params, None)
            answers.body_of(response, asked, key)
            return answers.date_of(response, asked)

        return self._retries.run(call, only_if_not_sent=False)

    def post(
        self,
        service: catalogue.Service,
        path: str,
        key: str,
        body: Mapping[str, Any],
        project_id: str,
        in_time: Callable[[], bool],
    ) -> dict[str, Any]:
        """Create; sent again only where it surely was not carried out.

        :param in_time: asked each time that all is ready to be sent, tokens
            too: if not, nothing is sent.
        """
        asked = self._asked(service, "POST", path)
        timeout = self.settings.create_retry_timeout
        if timeout is None:
            timeout = self.settings.retry_timeout
        last_look = functools.partial(self._retries.refuse_late, in_time)

        def call() -> dict[str, Any]:
            response = self._attempt(
                service, asked, project_id, None, body, last_look
            )
            answer: dict[str, Any] = answers.body_of(response, asked, key)
            return answer

        return self._retries.run(call, only_if_not_sent=True, timeout=timeout)

    def delete(
        self,
        service: catalogue.Service,
        path: str,
        in_time: Callable[[], bool],
    ) -> None:
        """Delete, in the service's own scope; safe to repeat.

        :param in_time: asked each time that all is ready to be sent: what
            was to be deleted may be wanted again after a while.
        """
        asked = self._asked(service, "DELETE", path)
        last_look = functools.partial(self._retries.refuse_late, in_time)
        self._retries.run(
            lambda: self._attempt(service, asked, None, None, None, last_look),
            only_if_not_sent=False,
        )

    # -- one try -----------------------------------------------------------

    def _asked(
        self,
        service: catalogue.Service,
        method: str,
        path: str,
        missing: str = "",
    ) -> answers.Asked:
        return answers.Asked(
            service.name,
            method,
            path,
            self._secrets,
            service.not_found,
            missing,
        )

    def _endpoint(self, service: catalogue.Service) -> catalogue.Endpoint:
        access = self._scopes.service().access()
        return self._catalogue.endpoint(service, access)

    def _attempt(
        self,
        service: catalogue.Service,
        asked: answers.Asked,
        project_id: str | None,
        params: Params | None,
        body: Mapping[str, Any] | None,
        last_look: Callable[[], None] | None = None,
    ) -> requests.Response:
        """One try with a token; with a renewed one if it is refused.

        :param last_look: called when all is ready to be sent.
        """
        try:
            endpoint = self._endpoint(service)
            scope = self._scopes.of(project_id)
            access = scope.access()
        except answers.FailedCall as failed:
            raise _before_the_call(failed) from None
        url = endpoint.for_project(access.project_id) + asked.path

        def send(token: str) -> requests.Response:
            if last_look:
                last_look()
            headers = {**endpoint.headers, "X-Auth-Token": token}
            return self._send(asked, url, headers, params, body)

        response = send(access.token)
        if response.status_code == 401:
            # Refused unread, so that sending again is safe for all.
            try:
                access = scope.renewed(access.token)
            except answers.FailedCall as failed:
                raise _before_the_call(failed) from None
            response = send(access.token)
        answers.check(response, asked)
        return response

    def _fetch(
        self, service: catalogue.Service, url: str, token: str
    ) -> tuple[requests.Response, answers.Asked]:
        """Read a document of versions."""
        asked = self._asked(service, "GET", url)
        self._wire.name_endpoint(url.rstrip("/"), service.type)
        response = self._send(asked, url, {"X-Auth-Token": token}, None, None)
        answers.check(response, asked)
        return response, asked

    def _send(
        self,
        asked: answers.Asked,
        url: str,
        headers: Mapping[str, str],
        params: Params | None,
        body: Mapping[str, Any] | None,
    ) -> requests.Response:
        """Send once and return whatever answer comes."""
        try:
            return self._http.request(
                url,
                asked.method,
                json=body,
                params=dict(params or {}),
                headers={"Accept": "application/json", **headers},
                authenticated=False,
                redirect=False,
                raise_exc=False,
                log=False,
            )
        except (
            ksa.ClientException,
            requests.RequestException,
            OSError,
        ) as error:
            raise answers.from_exception(
                error, asked, wire.origin(url)
            ) from error


def _before_the_call(failed: answers.FailedCall) -> answers.FailedCall:
    """What failed on the way to a call means that it was not sent."""
    error = failed.error
    if isinstance(error, errors.NoAnswerError):
        error = errors.NotSentError(
            str(error), status=error.status, request_id=error.request_id
        )
    return answers.FailedCall(
        error, transient=failed.transient, retry_after=failed.retry_after
    )
