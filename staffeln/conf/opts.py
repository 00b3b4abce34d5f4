# SPDX-License-Identifier: Apache-2.0
"""All of Staffeln's options: the list of its groups."""

from __future__ import annotations

import enum

from oslo_config import cfg
from oslo_log import log

from staffeln.cloud import options as cloud_options
from staffeln.conf import (
    api,
    conductor,
    coordination,
    metrics,
    notification,
    openstack,
)
from staffeln.db import options as db_options

_GROUPS = (
    coordination,
    conductor,
    openstack,
    cloud_options,
    db_options,
    api,
    notification,
    metrics,
)

_QUIET = [
    "alembic=WARNING",
    "futurist=WARNING",
    "gunicorn=INFO",
    # Says before each failure that it guesses; what failed is said anyway.
    "keystoneauth.identity=ERROR",
    "oslo_service=WARNING",
    "tooz=WARNING",
]
"""Libraries that say more than operators need know."""


class Reader(enum.Enum):
    """Who reads a configuration: which groups it looks at."""

    CONDUCTOR = (
        coordination,
        conductor,
        openstack,
        cloud_options,
        db_options,
        notification,
        metrics,
    )
    """The conductor and the commands of operators."""
    API = (coordination, db_options, api)
    """staffeln-api, which loads nothing of OpenStack's libraries."""
    DOCTOR = _GROUPS
    """Who looks at all of a deployment."""


def set_defaults() -> None:
    """Give options of libraries our defaults; the sample shows them too."""
    log.set_defaults(
        default_log_levels=[*log.get_default_log_levels(), *_QUIET]
    )


def register_opts(
    conf: cfg.ConfigOpts, reader: Reader = Reader.CONDUCTOR
) -> None:
    """Register every option that this reader and its libraries read."""
    log.register_options(conf)
    set_defaults()
    if reader is not Reader.API:
        from oslo_service import opts as service_opts

        service_opts.register_service_opts(conf)
    for group in reader.value:
        group.register_opts(conf)


def is_registered(conf: cfg.ConfigOpts, group: str) -> bool:
    """Whether the reader of this configuration looks at a group."""
    return group == "DEFAULT" or group in conf


def others(conf: cfg.ConfigOpts) -> frozenset[str]:
    """The groups in a shared file that only other programs read."""
    return frozenset(
        name
        for name in (str(module.GROUP) for module in _GROUPS)
        if not is_registered(conf, name)
    )


def list_opts(
    conf: cfg.ConfigOpts | None = None,
) -> list[tuple[cfg.OptGroup | str | None, list[cfg.Opt]]]:
    """Staffeln's own options, for the sample and the docs.

    :param conf: only of the groups that its reader looks at.
    """
    return [
        entry
        for group in _GROUPS
        if conf is None or is_registered(conf, str(group.GROUP))
        for entry in group.list_opts()
    ]
