# SPDX-License-Identifier: Apache-2.0
"""The options that the workflow obeys, as plain data."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.domain import durations, policies, selection


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What one conductor works by. Names are those of the options."""

    policy: policies.Policy
    protection: policies.ProtectionPolicy
    backup_service_period: datetime.timedelta
    rule: selection.Rule
    retention: policies.RetentionPolicy
    clock_tolerance: datetime.timedelta
    vanished_period: durations.Duration
    reconciliation_period: datetime.timedelta
    orphan_settle_time: datetime.timedelta
    backup_cycle_timeout: durations.Duration
    create_settle_time: datetime.timedelta
    absence_settle_time: datetime.timedelta
    heartbeat_timeout: datetime.timedelta
    task_poll_period: datetime.timedelta
    max_running_backups: int | None
    """None: so many for each backup service that is up; 0: no limit."""
    max_running_backups_per_project: int
    """0: no limit."""
    max_running_deletes: int | None
    """None: so many for each backup service that is up; 0: no limit."""
    backup_workers: int
    rotation_workers: int
