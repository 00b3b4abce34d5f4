# SPDX-License-Identifier: Apache-2.0
"""The URL of the database: which it means, and how it may be shown.

Apart from :mod:`staffeln.db.session`, so that the API, which has an engine
of its own, loads no other.
"""

from __future__ import annotations

import os
import pathlib

import sqlalchemy as sa
from oslo_config import cfg
from sqlalchemy import exc

from staffeln.domain import errors

_DRIVERS = {"mysql": "mysql+pymysql", "postgresql": "postgresql+psycopg2"}
"""The drivers that Staffeln is tested with, where a URL names none."""


def check(conf: cfg.ConfigOpts) -> sa.URL:
    """Look at the URL that ``[database]`` says, without asking a server.

    :raises ConfigurationError: it cannot be a database.
    :raises SchemaError: an SQLite file that is not there.
    """
    url = normalised(
        conf.database.connection or "", conf.database.connection_parameters
    )
    if url.get_backend_name() == "sqlite":
        check_sqlite_file(url, create=False)
    return url


def normalised(text: str, parameters: str = "") -> sa.URL:
    """The URL with the driver that Staffeln comes with.

    :param parameters: what is to follow its question mark as well.
    :raises ConfigurationError: the text is no database URL.
    """
    try:
        url = sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        # The text may hold a password: it is not repeated.
        raise errors.ConfigurationError(
            "[database] connection is not a database URL such as "
            "mysql+pymysql://user:password@host/staffeln"
        ) from None
    if "@" in (url.host or ""):
        # Its beginning is taken for the password, its end for the host.
        raise errors.ConfigurationError(
            "[database] connection: an @ in the user or the password is "
            "written %40 (and :, / and % as %3A, %2F and %25)"
        )
    if parameters:
        url = url.update_query_string(parameters, append=True)
    url = url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() not in ("sqlite", "mysql", "postgresql"):
        raise errors.ConfigurationError(
            f"[database] connection: {url.get_backend_name()} is not one of "
            "sqlite, mysql, postgresql"
        )
    if url.get_backend_name() == "mysql":
        # Whatever the URL says, as many of OpenStack's say utf8, which has
        # no room for all that users may name.
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def shown(url: sa.URL) -> str:
    """The URL as it may be shown: without its password and options."""
    return url.set(query={}).render_as_string(hide_password=True)


def check_sqlite_file(url: sa.URL, *, create: bool) -> None:
    """Look whether the file that a URL names can be a database.

    :param create: it is made where it is not there.
    :raises ConfigurationError: there can be no such file.
    :raises SchemaError: it is not there.
    :raises StoreError: it cannot be written.
    """
    if not url.database or url.database == ":memory:":
        raise errors.ConfigurationError(
            "[database] connection: an SQLite database needs a file"
        )
    path = pathlib.Path(url.database)
    if not path.parent.is_dir():
        raise errors.ConfigurationError(
            f"[database] connection: there is no directory {path.parent}"
        )
    try:
        # Others on the host are not to read names and ids of volumes.
        flags = os.O_RDWR | (os.O_CREAT if create else 0)
        os.close(os.open(path, flags, 0o600))
    except FileNotFoundError:
        raise errors.SchemaError(
            f"there is no database {path}: run staffeln-db-manage "
            "create_schema"
        ) from None
    except OSError as error:
        raise errors.StoreError(
            f"the database {path} cannot be written: {error.strerror}"
        ) from error
