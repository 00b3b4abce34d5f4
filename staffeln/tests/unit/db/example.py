# SPDX-License-Identifier: Apache-2.0
"""A small database for unit tests."""

from __future__ import annotations

import pathlib

from oslo_config import cfg

from staffeln.db import migration, options, session


def new_database(path: pathlib.Path) -> session.Database:
    """An SQLite file with the schema; whoever asks for it closes it."""
    database = open_database(path)
    migration.create_schema(database)
    return database


def open_database(path: pathlib.Path) -> session.Database:
    """An SQLite file as it is; whoever asks for it closes it."""
    conf = cfg.ConfigOpts()
    options.register_opts(conf)
    conf([], project="staffeln", default_config_files=[])
    conf.set_override("connection", f"sqlite:///{path}", group=options.GROUP)
    return session.connect(conf, create=True)
