# SPDX-License-Identifier: Apache-2.0
"""Group ``[database]``: those options of oslo.db that are read.

oslo.db has more of them. Trying again is ours, see
:mod:`staffeln.db.session`, and there is one connection: an option that
nobody reads would be set in vain.
"""

from __future__ import annotations

import copy
import functools

from oslo_config import cfg

GROUP = "database"
DEFAULT_CONNECTION = "sqlite:////var/lib/staffeln/staffeln.sqlite"

ENGINE_OPTIONS = (
    "connection_recycle_time",
    "max_pool_size",
    "max_overflow",
    "pool_timeout",
    "mysql_sql_mode",
    "mysql_wsrep_sync_wait",
    "connection_debug",
    "connection_trace",
)
"""What is handed on to oslo.db's engine as it stands."""


@functools.cache
def _options() -> tuple[cfg.Opt, ...]:
    """Copies of oslo.db's, with our default."""
    from oslo_db import options

    found = {option.dest: option for option in options.database_opts}
    connection = copy.copy(found["connection"])
    connection.default = DEFAULT_CONNECTION
    names = ("connection_parameters", *ENGINE_OPTIONS)
    return (connection, *(copy.copy(found[name]) for name in names))


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of the group."""
    conf.register_opts(_options(), group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup | str | None, list[cfg.Opt]]]:
    """The options, for the sample and the docs."""
    return [(GROUP, list(_options()))]
