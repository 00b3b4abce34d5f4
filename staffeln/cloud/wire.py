# SPDX-License-Identifier: Apache-2.0
"""The wire: one HTTP request after the other, timed, logged and counted."""

from __future__ import annotations

import logging
import re
import time
import urllib.parse
from collections.abc import Callable, Hashable
from typing import Any

import requests
from keystoneauth1 import session as ksa_session

from staffeln.ports import occasion

LOG = logging.getLogger(__name__)

_REQUEST = "X-Openstack-Request-Id"
"""Services write what came with it beside ids of their own."""

Observe = Callable[[str, str, str, int | None, float], None]
"""Told of each call: service type, method, path with ``{id}`` in place of
ids, HTTP status (None: no answer came), seconds."""

_IDS = re.compile(
    r"(?<=/)([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32})(?=/|$)",
    re.IGNORECASE,
)


def origin(url: str) -> str:
    """Scheme, host and port of a URL: never its user information."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}"


def fault_of_url(url: str) -> str | None:
    """Why nothing can be asked at a URL, in words; None: it is fine."""
    try:
        parts = urllib.parse.urlsplit(url)
        port = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname:
        return "it does not begin with http:// or https:// and a host"
    return "there is no port 0" if port == 0 else None


class Wire(ksa_session.TCPKeepAliveAdapter):
    """Carries requests, never repeats one, and tells of each.

    :param connect_timeout: seconds until a connection must stand.
    :param read_timeout: seconds that a service may keep silent.
    :param connections: kept for one host: as many as threads call at once.
    """

    def __init__(
        self,
        connect_timeout: float,
        read_timeout: float,
        observe: Observe | None = None,
        connections: int = 64,
    ) -> None:
        self._timeouts = (connect_timeout, read_timeout)
        self._observe = observe
        self._endpoints: dict[str, str] = {}
        super().__init__(pool_maxsize=connections, max_retries=0)

    def name_endpoint(self, url: str, service_type: str) -> None:
        """Say which service lives under a URL; the rest is identity."""
        self._endpoints = {**self._endpoints, url: service_type}

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: object = None,  # noqa: ARG002 - ours are for all calls
        verify: bool | str = True,
        cert: str | tuple[str, str] | None = None,
        proxies: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send one request, with our own timeouts and the id of its cause."""
        started = time.monotonic()
        if ours := occasion.ids().get(occasion.REQUEST):
            request.headers.setdefault(_REQUEST, ours)
        response: requests.Response | None = None
        try:
            response = super().send(
                request,
                stream=stream,
                timeout=self._timeouts,
                verify=verify,
                cert=cert,
                proxies=proxies,
            )
            return response
        finally:
            self._tell(request, response, time.monotonic() - started)

    def _tell(
        self,
        request: requests.PreparedRequest,
        response: requests.Response | None,
        seconds: float,
    ) -> None:
        url = request.url or ""
        method = request.method or ""
        status = response.status_code if response is not None else None
        headers = response.headers if response is not None else {}
        request_id = headers.get("x-openstack-request-id", "no request id")
        # Without the query: names in it are users' own.
        path = urllib.parse.urlsplit(url).path
        LOG.debug(
            "%s %s%s -> %s in %.0f ms (%s)",
            method,
            origin(url),
            path,
            status or "no answer",
            seconds * 1000,
            request_id,
        )
        if self._observe:
            service, rest = self._place(url)
            self._observe(service, method, rest, status, seconds)

    def _place(self, url: str) -> tuple[str, str]:
        """Service type, and the path below its endpoint without ids."""
        url = url.partition("?")[0]
        for base, service in self._endpoints.items():
            if url.startswith(base + "/"):
                rest = _IDS.sub("{id}", url[len(base) :])
                # The project's id in the URL is no part of the question.
                return service, re.sub(r"^/\{id\}(?=/)", "", rest)
        path = urllib.parse.urlsplit(url).path
        return "identity", _IDS.sub("{id}", path)


class _Session(requests.Session):
    """Reads what the environment says of proxies once for each host.

    Going through all variables for each request costs about as much as
    sending it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[Hashable, dict[str, Any]] = {}

    def merge_environment_settings(
        self,
        url: Any,
        proxies: Any,
        stream: Any,
        verify: Any,
        cert: Any,
    ) -> Any:
        """What holds for a request to this URL."""
        if proxies:
            return super().merge_environment_settings(
                url, proxies, stream, verify, cert
            )
        key = (origin(url), stream, verify, cert)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = super().merge_environment_settings(
                url, proxies, stream, verify, cert
            )
        return {**found, "proxies": dict(found["proxies"] or {})}


def requests_session(adapter: Wire) -> requests.Session:
    """A session whose every request goes over the wire."""
    session = _Session()
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
