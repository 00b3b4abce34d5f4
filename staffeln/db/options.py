# SPDX-License-Identifier: Apache-2.0
"""Group ``[database]``: the options of oslo.db, with our default."""

from __future__ import annotations

from oslo_config import cfg

GROUP = "database"
DEFAULT_CONNECTION = "sqlite:////var/lib/staffeln/staffeln.sqlite"


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options that the database's library reads."""
    from oslo_db import options

    options.set_defaults(conf, connection=DEFAULT_CONNECTION)


def list_opts() -> list[tuple[cfg.OptGroup | str | None, list[cfg.Opt]]]:
    """None of our own: oslo.db lists its options itself."""
    return []
