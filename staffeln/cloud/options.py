# SPDX-License-Identifier: Apache-2.0
"""The options of group [openstack], and what they come to."""

from __future__ import annotations

import dataclasses
from typing import Any

from oslo_config import cfg, types

from staffeln.cloud.settings import CloudSettings, Credentials
from staffeln.domain import errors

GROUP = "openstack"

OPTIONS = [
    cfg.StrOpt(
        "cloud",
        help="Name of the cloud in clouds.yaml whose credentials the service "
        "uses. clouds.yaml is looked for in the working directory, in "
        "~/.config/openstack and in /etc/openstack, or where "
        "OS_CLIENT_CONFIG_FILE says. Unset: auth_type and its like in this "
        "group, and where those are unset too the environment (OS_CLOUD, or "
        "OS_AUTH_URL and the other variables of an openrc file). A name that "
        "clouds.yaml does not have stops the service at start.",
    ),
    cfg.StrOpt(
        "region_name",
        help="Region whose servers and volumes are backed up. Unset: what "
        "the credentials say, else the only region of the catalogue; with "
        "several regions in the catalogue the service does not start.",
    ),
    cfg.StrOpt(
        "interface",
        choices=[
            ("public", "endpoints for everybody"),
            ("internal", "endpoints of the cloud's own network"),
            ("admin", "endpoints for administration"),
        ],
        help="Which endpoints of the catalogue are used. Unset: what the "
        "credentials say, else public. A wrong one shows as calls that are "
        "not answered.",
    ),
    cfg.IntOpt(
        "retry_timeout",
        default=300,
        min=0,
        max=86400,
        help="For how many seconds one call to OpenStack is tried again "
        "after a transient failure: no connection, no answer, 429, 5xx. "
        "Other answers are final. 0: never. Too short: a restart of a "
        "service fails tasks; too long: a broken service holds workers up.",
    ),
    cfg.IntOpt(
        "max_retry_interval",
        default=30,
        min=1,
        max=3600,
        help="The longest wait between two tries of a call, in seconds. The "
        "wait begins at one second and doubles. A service that asks for "
        "more (Retry-After) gets it, within retry_timeout.",
    ),
    cfg.ListOpt(
        "skip_retry_codes",
        item_type=types.Integer(min=100, max=599),
        default=[404],
        help="HTTP status codes, separated by commas, that are never tried "
        "again although they are transient for others. Adding 503 makes "
        "every short outage of a service a failed task.",
    ),
    cfg.IntOpt(
        "page_size",
        default=1000,
        min=1,
        max=1000,
        help="How many servers, volumes or backups one list call asks for. "
        "A service whose own limit is smaller answers with less, and more "
        "calls are made. Smaller pages help where a service or a proxy "
        "runs out of time on large ones.",
    ),
    cfg.FloatOpt(
        "connect_timeout",
        default=10.0,
        min=0.1,
        max=600.0,
        help="Seconds until a connection to a service must stand. Such a "
        "failure means that nothing was sent.",
    ),
    cfg.FloatOpt(
        "read_timeout",
        default=60.0,
        min=0.1,
        max=3600.0,
        help="Seconds for which a service may keep silent before a call "
        "counts as not answered. Too short: calls that were carried out are "
        "taken for lost, and every backup must be looked up in Cinder.",
    ),
    cfg.StrOpt(
        "cafile",
        help="File with the certificates of the authorities that are trusted "
        "for OpenStack's endpoints (PEM). Unset: what the credentials say, "
        "else the system's. A wrong one fails every call.",
    ),
    cfg.StrOpt(
        "certfile",
        help="Client certificate to show to OpenStack's endpoints (PEM), "
        "for clouds that ask for one.",
    ),
    cfg.StrOpt(
        "keyfile",
        help="Key of the client certificate (PEM). Unset: certfile holds it.",
    ),
    cfg.BoolOpt(
        "insecure",
        default=False,
        help="Do not check the certificates of OpenStack's endpoints. "
        "Whoever is on the way can then read the service user's password: "
        "for tests only.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of the group, keystoneauth's among them."""
    from keystoneauth1 import loading

    conf.register_opts(OPTIONS, group=GROUP)
    loading.register_auth_conf_options(conf, GROUP)


def list_opts() -> list[tuple[str, list[Any]]]:
    """All options for the sample file, with those of the password plugin."""
    from keystoneauth1 import loading

    return [
        (
            GROUP,
            [
                *OPTIONS,
                *loading.get_auth_common_conf_options(),
                *loading.get_auth_plugin_conf_options("password"),
            ],
        )
    ]


def cloud_settings(conf: cfg.ConfigOpts) -> CloudSettings:
    """What the options (and clouds.yaml, and the environment) come to.

    :raises ConfigurationError: no credentials, or ones that cannot work.
    """
    from staffeln.cloud import credentials

    group = conf[GROUP]
    found = credentials.find(_configured(conf), group.cloud)
    found = _with_options(found, group)
    credentials.refuse_missing_files(found)
    return CloudSettings(
        credentials=found,
        retry_timeout=group.retry_timeout,
        max_retry_interval=group.max_retry_interval,
        skip_retry_codes=frozenset(group.skip_retry_codes),
        page_size=group.page_size,
        connect_timeout=group.connect_timeout,
        read_timeout=group.read_timeout,
    )


def _with_options(found: Credentials, group: Any) -> Credentials:
    """Options of the group go before what the credentials say."""
    changes: dict[str, Any] = {}
    if group.region_name:
        changes["region"] = group.region_name
    if group.interface:
        changes["interface"] = group.interface
    if group.certfile and group.keyfile:
        changes["certificate"] = (group.certfile, group.keyfile)
    elif group.certfile:
        changes["certificate"] = group.certfile
    elif group.keyfile:
        raise errors.ConfigurationError(
            "[openstack] keyfile is set without certfile"
        )
    if group.insecure:
        changes["verify"] = False
    elif group.cafile:
        changes["verify"] = group.cafile
    return dataclasses.replace(found, **changes)


def _configured(conf: cfg.ConfigOpts) -> Credentials | None:
    """keystoneauth's options in the configuration file; None: there are
    none.
    """
    from keystoneauth1 import exceptions as ksa
    from keystoneauth1 import loading

    section = conf[GROUP].auth_section or GROUP
    if section != GROUP:
        loading.register_auth_conf_options(conf, section)
    name = conf[section].auth_type
    if not name:
        return None
    try:
        loader: loading.BaseLoader[Any] = loading.get_plugin_loader(name)
    except ksa.NoMatchingPlugin:
        raise errors.ConfigurationError(
            f"[{section}] auth_type: there is no {name!r}"
        ) from None
    options = loading.get_auth_plugin_conf_options(loader)
    conf.register_opts(options, group=section)
    auth = {
        option.dest: value
        for option in options
        if (value := _value(conf, section, option.dest)) is not None
    }
    return Credentials(
        auth_type=name, auth=auth, source=f"[{section}] in the configuration"
    )


def _value(conf: cfg.ConfigOpts, section: str, name: str) -> Any:
    """An option of the plugin, which nobody knew before to look at.

    :raises ConfigurationError: it cannot be read; nothing of it is shown.
    """
    try:
        return conf[section][name]
    except (
        cfg.NoSuchGroupError,
        cfg.NoSuchOptError,
        cfg.TemplateSubstitutionError,
    ):
        why = errors.NO_SUCH_REFERENCE
    except RecursionError:
        why = "it refers to itself"
    except (cfg.Error, ValueError):
        why = "is not of its type"
    raise errors.ConfigurationError(f"[{section}] {name}: {why}")
