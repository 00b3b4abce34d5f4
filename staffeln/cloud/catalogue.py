# SPDX-License-Identifier: Apache-2.0
"""Where the services are, and which of their microversions is spoken."""

from __future__ import annotations

import dataclasses
import re
import threading
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

import requests

from staffeln.cloud import answers, scopes, settings, wire
from staffeln.domain import errors

Version = tuple[int, int]
_VERSION = re.compile(r"/v\d+(\.\d+)?$")
Fetch = Callable[
    ["Service", str, str], tuple[requests.Response, answers.Asked]
]


@dataclasses.dataclass(frozen=True, slots=True)
class Microversions:
    """Which microversions of a service are spoken."""

    header: str
    """The service's name in the microversion header."""
    oldest: Version
    """The oldest that will do."""
    wanted: Version
    """What is asked for where the service has it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """A service that Staffeln talks to."""

    name: str
    """For people, such as Cinder."""
    type: str
    """The official type, such as block-storage."""
    path: str
    """The path of its API version, such as /v3."""
    microversions: Microversions | None
    """None: it has none, and nothing is to be found out about them."""
    not_found: str = "itemNotFound"
    """What its own faults with status 404 are called."""
    at_auth_url: bool = False
    """It is where tokens come from, whatever the catalogue says of it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """A service's place in this cloud."""

    url: str
    """Without a project's id and without a slash at the end."""
    region: str
    in_project: bool
    """The catalogue's URL holds the project's id."""
    headers: Mapping[str, str]

    def for_project(self, project_id: str | None) -> str:
        """The URL in the scope of a project."""
        if self.in_project and project_id:
            return f"{self.url}/{project_id}"
        return self.url


class Catalogue:
    """Looks endpoints up once and keeps them."""

    def __init__(self, known: settings.Credentials, fetch: Fetch) -> None:
        self._credentials = known
        self._fetch = fetch
        self._endpoints: dict[str, Endpoint] = {}
        self._lock = threading.Lock()

    def endpoint(self, service: Service, access: scopes.Access) -> Endpoint:
        """A service's endpoint.

        :raises ConfigurationError: there is none, or it is not clear which.
        :raises FailedCall: its versions could not be read.
        """
        found = self._endpoints.get(service.type)
        if found:
            return found
        with self._lock:
            if service.type not in self._endpoints:
                self._endpoints[service.type] = self._find(service, access)
            return self._endpoints[service.type]

    def _find(self, service: Service, access: scopes.Access) -> Endpoint:
        url, region = self._place(service, access)
        url, in_project = _without_project(url, access.project_id)
        if service.microversions is None:
            # Catalogues still name versions of it that are long gone.
            url = _VERSION.sub("", url) + service.path
            return Endpoint(url, region, in_project, {})
        if not _VERSION.search(url):
            url += service.path
        spoken = self._agree(service, service.microversions, url, access.token)
        return Endpoint(url, region, in_project, spoken)

    def _agree(
        self, service: Service, ours: Microversions, url: str, token: str
    ) -> Mapping[str, str]:
        """The header that asks for the best microversion of both sides.

        :raises FailedCall: the service has none that will do.
        """
        newest = self._newest(service, url, token)
        if newest < ours.oldest:
            raise answers.FailedCall(
                errors.RefusedError(
                    f"{service.name} at {url} is too old: it speaks "
                    f"microversion {_text(newest)}, at least "
                    f"{_text(ours.oldest)} is needed"
                )
            )
        number = _text(min(newest, ours.wanted))
        return {"OpenStack-API-Version": f"{ours.header} {number}"}

    def _place(
        self, service: Service, access: scopes.Access
    ) -> tuple[str, str]:
        """URL and region by the options or the service's own catalogue."""
        known = self._credentials
        if service.type in known.endpoints:
            url = known.endpoints[service.type]
            return url.rstrip("/"), known.region or ""
        interface = known.interface or "public"
        try:
            by_type = access.catalogue.get_endpoints_data(
                service_type=service.type,
                interface=interface,
                region_name=known.region,
            )
        except ValueError as error:
            raise errors.ConfigurationError(
                f"the {interface} endpoint of {service.name} in the "
                f"catalogue is no URL: {error}"
            ) from None
        found = [data for group in by_type.values() for data in group]
        regions = sorted({data.region_name or "" for data in found})
        if service.at_auth_url and len(regions) != 1:
            # One that several regions share need not be listed in each.
            return _auth_url(known), known.region or ""
        if not found:
            place = f" in region {known.region}" if known.region else ""
            raise errors.ConfigurationError(
                f"the catalogue of the service user has no {interface} "
                f"endpoint of {service.name} ({service.type}){place}"
            )
        if len(regions) > 1:
            raise errors.ConfigurationError(
                f"{service.name} is in several regions "
                f"({', '.join(regions)}): set [openstack] region_name"
            )
        url = str(found[0].catalog_url)
        fault = wire.fault_of_url(url)
        if fault:
            raise errors.ConfigurationError(
                f"the {interface} endpoint of {service.name} in the "
                f"catalogue is no URL: {answers.one_line(url)!r}: {fault}"
            )
        return url.rstrip("/"), regions[0]

    def _newest(self, service: Service, url: str, token: str) -> Version:
        """The newest microversion by the service's own document."""
        response, asked = self._fetch(service, url + "/", token)
        wanted = url.rpartition("/v")[2].partition(".")[0]
        try:
            body = response.json()
            documents = body.get("versions") or [body["version"]]
            return max(
                _version(document.get("version") or "0.0")
                for document in documents
                if document["id"].startswith(f"v{wanted}")
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            raise answers.malformed(
                response, asked, "no document of API versions"
            ) from None


def _auth_url(known: settings.Credentials) -> str:
    return str(known.auth["auth_url"]).strip().rstrip("/")


def _version(text: Any) -> Version:
    major, _, minor = str(text).partition(".")
    return int(major), int(minor or 0)


def _text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def _without_project(url: str, project_id: str | None) -> tuple[str, bool]:
    """Take the project's id off the end of a URL."""
    parts = urllib.parse.urlsplit(url)
    head, _, last = parts.path.rpartition("/")
    if project_id and last in {project_id, f"AUTH_{project_id}"}:
        return parts._replace(path=head).geturl(), True
    return url, False
