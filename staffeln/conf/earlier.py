# SPDX-License-Identifier: Apache-2.0
"""Options of release 2.x that this release knows and does not read.

They are no misspellings; one line at the start names those that are set.
"""

from __future__ import annotations

import logging

KNOWN = {
    "database": {"mysql_engine": "all tables are InnoDB"},
}
"""Names by group, each with what holds in its place."""


def say_ourselves() -> None:
    """Keep oslo.config from telling of old names where nobody reads it.

    It does so when a value is first looked at, which is before the log is
    there; ours goes into the log, once.
    """
    logging.getLogger("oslo_config.cfg").addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith("Deprecated: Option")
