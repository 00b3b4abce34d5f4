# SPDX-License-Identifier: Apache-2.0
"""Credentials: the environment, clouds.yaml, or the configuration file."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from typing import Any

import yaml
from keystoneauth1 import exceptions as ksa
from keystoneauth1 import loading
from keystoneauth1.identity import base as ksa_identity

from staffeln.cloud import answers, settings, wire
from staffeln.domain import errors

NOT_SCOPABLE = (
    "an application credential cannot be scoped to other projects, and "
    "every backup is made in the project of its volume: use a service user "
    "with a password and a role in the projects"
)

NONE_FOUND = (
    "no credentials of a cloud: set OS_AUTH_URL and the other OS_* "
    "variables (openrc), or name a cloud of clouds.yaml in [openstack] "
    "cloud, or set auth_type, auth_url and the like in [openstack]"
)

# What says to which scope a token belongs.
_SCOPE = frozenset(
    {
        "project_id",
        "project_name",
        "project_domain_id",
        "project_domain_name",
        "tenant_id",
        "tenant_name",
        "domain_id",
        "domain_name",
        "system_scope",
    }
)

_SAY_URLS = ("keystoneauth.identity", "keystoneauth.session")
"""Loggers that repeat auth_url with what may be a password in it. What they
say is told by the call's own line, or its error."""

_SERVICE_TYPES = ("block-storage", "compute", "identity")


def find(
    configured: settings.Credentials | None, cloud: str | None
) -> settings.Credentials:
    """Choose the source: option ``cloud``, the file, the environment.

    :param configured: what the configuration file holds, if anything.
    :raises ConfigurationError: there are none, or they cannot work.
    """
    if cloud:
        found = from_clouds(cloud)
    elif configured is not None:
        found = configured
    elif os.environ.get("OS_CLOUD") or os.environ.get("OS_AUTH_URL"):
        found = from_clouds(None)
    else:
        raise errors.ConfigurationError(NONE_FOUND)
    refuse_unfit(found)
    return found


def _where(error: yaml.YAMLError) -> str:
    """The place alone: the text there may be a password's."""
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}" if mark else ""


def from_clouds(cloud: str | None) -> settings.Credentials:
    """Read clouds.yaml or the environment, as all OpenStack clients do.

    :param cloud: its name in clouds.yaml; None: OS_CLOUD, else OS_*.
    """
    # Half a second to import, so only where it is needed.
    from openstack import config
    from openstack import exceptions as sdk

    source = f"cloud {cloud}" if cloud else "the environment"
    try:
        with warnings.catch_warnings():
            # The SDK warns of statistics that nobody here has asked for.
            warnings.filterwarnings("ignore", message="Support for InfluxDB")
            region = config.OpenStackConfig().get_one(cloud=cloud)
        verify, certificate = region.get_requests_verify_args()
    except (
        sdk.ConfigException,
        ksa.ClientException,
        OSError,
        TypeError,
        ValueError,
    ) as error:
        raise errors.ConfigurationError(
            f"the credentials of {source} cannot be read: "
            f"{answers.one_line(str(error))}"
        ) from None
    except yaml.YAMLError as error:  # the SDK before 4.14 lets it through
        raise errors.ConfigurationError(
            f"the credentials of {source} cannot be read: clouds.yaml is no "
            f"YAML{_where(error)}"
        ) from None
    auth = dict(region.get_auth_args() or {})
    endpoints = {
        name: url
        for name in _SERVICE_TYPES
        if (url := region.get_endpoint(name))
    }
    return settings.Credentials(
        auth_type=str(region.config.get("auth_type") or "password"),
        auth=auth,
        source=source,
        region=region.get_region_name() or None,
        interface=_interface(region.get_interface()),
        verify=True if verify is None else verify,
        certificate=certificate,
        endpoints=endpoints,
    )


def _interface(name: str | list[str] | None) -> str | None:
    """The first choice; ``publicURL`` is an old spelling of ``public``."""
    if isinstance(name, list):
        name = name[0] if name else None
    return name.removesuffix("URL") if name else None


def refuse_unfit(known: settings.Credentials) -> None:
    """Refuse at once what cannot work later.

    :raises ConfigurationError: in one line.
    """
    kind = known.auth_type.replace("_", "").replace("-", "").lower()
    methods = str(known.auth.get("auth_methods") or "")
    where = f" ({known.source})"
    if "applicationcredential" in kind or "application_cred" in methods:
        raise errors.ConfigurationError(NOT_SCOPABLE + where)
    if known.auth.get("trust_id"):
        raise errors.ConfigurationError(
            "a trust (trust_id) cannot be scoped to other projects" + where
        )
    if kind in {"token", "v3token", "v2token", "admintoken", "none"}:
        raise errors.ConfigurationError(
            f"auth_type {known.auth_type} cannot be renewed when its token "
            f"expires: use a password{where}"
        )
    if not known.auth.get("auth_url"):
        raise errors.ConfigurationError(f"auth_url is not set{where}")
    _refuse_no_url("auth_url", known.auth["auth_url"], known)
    for name, url in known.endpoints.items():
        _refuse_no_url(f"the endpoint of {name}", url, known)
    if not any(known.auth.get(name) for name in _SCOPE):
        raise errors.ConfigurationError(
            "the credentials name no project for the service itself "
            f"(project_name or project_id, or system_scope){where}"
        )
    project_plugin(known, "checked-at-start")
    service_plugin(known)


def _refuse_no_url(
    name: str, value: object, known: settings.Credentials
) -> None:
    """:raises ConfigurationError: nothing could be asked at such a place."""
    text = str(value).strip()
    fault = wire.fault_of_url(text)
    if fault:
        raise errors.ConfigurationError(
            answers.one_line(
                f"{name} is no URL: {text!r}: {fault} ({known.source})",
                known.secrets,
            )
        )


def refuse_missing_files(known: settings.Credentials) -> None:
    """Refuse certificates that are not there: each call would fail.

    :raises ConfigurationError: names the file.
    """
    pair = known.certificate
    files = list(pair) if isinstance(pair, tuple) else [pair]
    if isinstance(known.verify, str):
        files.append(known.verify)
    for name in files:
        if name and not os.access(name, os.R_OK):
            raise errors.ConfigurationError(
                f"the certificate or key {name} cannot be read "
                f"({known.source} and [openstack])"
            )


def service_plugin(
    known: settings.Credentials,
) -> ksa_identity.BaseIdentityPlugin:
    """Authentication in the service's own scope."""
    return _plugin(known, known.auth)


def project_plugin(
    known: settings.Credentials, project_id: str
) -> ksa_identity.BaseIdentityPlugin:
    """The same user in the scope of a project."""
    auth = {k: v for k, v in known.auth.items() if k not in _SCOPE}
    return _plugin(known, {**auth, "project_id": project_id})


def _plugin(
    known: settings.Credentials, auth: Mapping[str, Any]
) -> ksa_identity.BaseIdentityPlugin:
    for name in _SAY_URLS:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        loader: loading.BaseLoader[Any] = loading.get_plugin_loader(
            known.auth_type
        )
        values: dict[str, Any] = {}
        for option in loader.get_options():
            names = [option.dest, *(old.dest for old in option.deprecated)]
            given = [auth[n] for n in names if auth.get(n) is not None]
            if given:
                values[option.dest] = given[0]
        plugin = loader.load_from_options(**values)
    except (ksa.ClientException, TypeError, ValueError) as error:
        raise errors.ConfigurationError(
            f"the credentials of {known.source} are not complete: "
            f"{answers.one_line(str(error), known.secrets)}"
        ) from None
    if not isinstance(plugin, ksa_identity.BaseIdentityPlugin):
        raise errors.ConfigurationError(
            f"auth_type {known.auth_type} of {known.source} does not ask "
            "Keystone for tokens"
        )
    return plugin
