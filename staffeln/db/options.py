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

POOL_SIZE = 32
"""Connections kept open: the threads that delete backups read and write by
themselves (8), so do a conductor's loops (8); those that start backups write
together, and read by themselves only when a start fails (16)."""

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
    others = {name: copy.copy(found[name]) for name in names}
    kept = others["max_pool_size"]
    kept.default = POOL_SIZE
    kept.help = (
        "Connections to the database that a process keeps open, once it had "
        "need of them; 0 sets no limit. The default is enough for "
        "[conductor] backup_workers and rotation_workers as they are by "
        "default: the former write together, each of the latter by itself. "
        "With fewer than are needed at a time, up to max_overflow others are "
        "opened and closed again at each use, which costs far more than what "
        "they are used for. The server must allow so many connections of all "
        "processes together (max_connections)."
    )
    return (connection, *others.values())


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options of the group."""
    conf.register_opts(_options(), group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup | str | None, list[cfg.Opt]]]:
    """The options, for the sample and the docs."""
    return [(GROUP, list(_options()))]
