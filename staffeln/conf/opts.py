# SPDX-License-Identifier: Apache-2.0
"""All of Staffeln's options: the list of its groups."""

from __future__ import annotations

from oslo_config import cfg
from oslo_log import log
from oslo_service import opts as service_opts

from staffeln.cloud import options as cloud_options
from staffeln.conf import conductor, coordination, openstack
from staffeln.db import options as db_options

_GROUPS = (coordination, conductor, openstack, cloud_options, db_options)

_QUIET = [
    "alembic=WARNING",
    "futurist=WARNING",
    "oslo_service=WARNING",
    "tooz=WARNING",
]
"""Libraries that say at INFO what an operator need not know."""


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register every option that Staffeln and its libraries read."""
    log.register_options(conf)
    log.set_defaults(
        default_log_levels=[*log.get_default_log_levels(), *_QUIET]
    )
    service_opts.register_service_opts(conf)
    for group in _GROUPS:
        group.register_opts(conf)


def list_opts() -> list[tuple[cfg.OptGroup | str | None, list[cfg.Opt]]]:
    """Staffeln's own options, for the sample and the docs."""
    return [entry for group in _GROUPS for entry in group.list_opts()]
