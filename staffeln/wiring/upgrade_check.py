# SPDX-License-Identifier: Apache-2.0
"""What ``staffeln-status upgrade check`` looks at."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence

from oslo_config import cfg

from staffeln.domain import breaker, errors
from staffeln.domain.findings import CheckRequest, Finding, error, fine
from staffeln.status import upgrade
from staffeln.wiring import doctor, settings
from staffeln.workflow import clocks

PATIENCE = 30.0
"""Seconds for each check."""


def look(conf: cfg.ConfigOpts, config_files: Sequence[str]) -> upgrade.Look:
    """Look at a deployment; nothing raises, and nothing is changed.

    :param conf: what the files say, whatever is wrong with it.
    """
    before = _waiting(conf)
    names = {name for each in upgrade.LOOKED_AT.values() for name in each}
    asked = CheckRequest(
        config_files=config_files, checks=names, limit=PATIENCE
    )
    with _in_silence():
        return upgrade.Look(doctor.examine(asked), before)


@contextlib.contextmanager
def _in_silence() -> Iterator[None]:
    """What keystoneauth warns of the findings say as well."""
    logger = logging.getLogger("keystoneauth")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _waiting(conf: cfg.ConfigOpts) -> dict[str, list[Finding]]:
    """Of a database that waits for its upgrade: what no store can say."""
    from staffeln.db import clock, migration, session

    try:
        database = session.connect(conf, touch=False)
        with contextlib.closing(database):
            found = migration.waiting(database)
            if found is None:
                return {}
            return {
                "Options": list(_options(conf, adopts=found.adopts)),
                "Clocks": list(
                    _clocks(
                        breaker.clocks_apart(
                            {
                                "the database": database.read(clock.now),
                                "this host": clocks.host_time(),
                            },
                            conf.conductor.clock_tolerance.fixed,
                        )
                    )
                ),
            }
    except (errors.StaffelnError, cfg.Error, ValueError, RecursionError):
        # The checks of options and database tell of it.
        return {}


def _options(conf: cfg.ConfigOpts, *, adopts: bool) -> Iterator[Finding]:
    if adopts and not settings.backup_key_is_set(conf):
        yield error(
            "key-not-set",
            "[conductor] backup_metadata_key is not set, and the database is "
            "that of an earlier release, where unset meant all servers",
            "set it explicitly (an empty value selects all servers)",
        )


def _clocks(apart: str | None) -> Iterator[Finding]:
    if apart:
        yield error(
            "clocks-apart",
            apart,
            "let NTP or chrony set the clocks of all hosts",
        )
    yield fine("those of this host and of the database agree")
