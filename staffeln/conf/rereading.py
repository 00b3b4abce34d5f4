# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: everything is read again, or nothing changes."""

from __future__ import annotations

import logging
from collections.abc import Callable

from oslo_config import cfg

from staffeln.conf import logs
from staffeln.domain import errors

LOG = logging.getLogger(__name__)


class Rereadable:
    """A configuration that can be read again as a whole.

    It stands in for a ConfigOpts where oslo.service and cotyledon want
    one. Theirs would take a file with a wrong value for good and fail at
    the first use of it; here a new configuration takes the old one's place
    only when all of it is right.
    """

    def __init__(
        self,
        load: Callable[[], cfg.ConfigOpts],
        check: Callable[[cfg.ConfigOpts], None] = lambda _: None,
    ) -> None:
        """Read for the first time.

        :param check: looks at what was read again; raises what is wrong.
        :raises ConfigurationError: the first reading fails.
        """
        self._load = load
        self._check = check
        self.now: cfg.ConfigOpts = load()

    def __getattr__(self, name: str) -> object:
        return getattr(self.now, name)

    def reload_config_files(self) -> bool:
        """Read all again; False: it is wrong, and the old values stay."""
        try:
            fresh = self._load()
            self._check(fresh)
            self._begin_log(fresh)
        except errors.StaffelnError as error:
            LOG.error(
                "The configuration was not read again, the old values "
                "stay: %s",
                error,
            )
            return False
        self.now = fresh
        LOG.info("The configuration was read again")
        return True

    def _begin_log(self, fresh: cfg.ConfigOpts) -> None:
        try:
            logs.begin(fresh)
        except errors.ConfigurationError:
            # A set-up that failed leaves no log at all.
            logs.begin(self.now)
            raise
