# SPDX-License-Identifier: Apache-2.0
"""The options that the rules read, as plain data."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import durations


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The options that the rules of planning read."""

    backup_min_interval: datetime.timedelta
    full_backup_depth: int
    failure_backoff: datetime.timedelta
    failure_backoff_max: datetime.timedelta
    full_only_period: durations.Duration


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ProtectionPolicy:
    """The options that say when a volume is not protected as it should be."""

    interval: datetime.timedelta
    """backup_min_interval, or backup_service_period where that is longer."""
    tolerance: int
    """After so many of those without a backup a volume is stale."""

    @property
    def stale_after(self) -> datetime.timedelta:
        """How old the last backup of a volume may be."""
        return self.interval * self.tolerance


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """The options that the rules of retention read."""

    retention_time: durations.Duration
    """How long backups are kept where no server says otherwise."""
    minimum: durations.Duration
    """No backup goes sooner than this; zero: no such floor."""
    keep_last: int
    """So many newest completed backups of a selected volume stay."""
    shortening_grace: datetime.timedelta
    """How long a longer retention time holds on after it became shorter."""
    max_fraction: float
    """A round that removes more of all managed backups needs a yes."""
    small_round: int
    """A round that removes fewer backups than this needs none."""
