# SPDX-License-Identifier: Apache-2.0
"""The driver of a database: whether it is there and takes what a URL says.

A driver complains of an option only when it connects, and that may be much
later than the configuration was read.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc

from staffeln.db import faults, urls
from staffeln.domain import errors

_NUMBERS_OF_LIBPQ = (
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
)


def check(url: sa.URL) -> None:
    """Make an engine and the arguments of its driver; connect to nothing.

    :param url: with a driver.
    :raises ConfigurationError: there is no such driver, or it cannot
        connect with what the URL says.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            engine = sa.create_engine(url)
            where, how = engine.dialect.create_connect_args(url)
        _try(engine.dialect, where, how)
    except (
        ImportError,
        OSError,
        TypeError,
        ValueError,
        exc.ArgumentError,
    ) as error:
        raise errors.ConfigurationError(
            f"[database] connection {urls.shown(url)}: "
            f"{faults.in_one_line(error)}"
        ) from error


def _try(dialect: Any, where: Sequence[Any], how: Mapping[str, Any]) -> None:
    """Let a driver read its arguments, where it does so by itself."""
    if dialect.driver == "pymysql":
        dialect.loaded_dbapi.connect(*where, **{**how, "defer_connect": True})
    elif dialect.driver == "psycopg2":
        from psycopg2 import ProgrammingError, extensions

        try:
            extensions.make_dsn(*where, **how)
        except ProgrammingError as error:
            raise ValueError(str(error)) from error
        for name in _NUMBERS_OF_LIBPQ:
            said = str(how.get(name, 0)).strip().removeprefix("-")
            if not said.isdecimal():
                raise ValueError(f"{name} is no number")
