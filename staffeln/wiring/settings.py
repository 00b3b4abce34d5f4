# SPDX-License-Identifier: Apache-2.0
"""From options to the plain data that the other rooms obey."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import TYPE_CHECKING

from oslo_config import cfg

from staffeln.domain import freshness, policies, receivers, selection
from staffeln.workflow.settings import Settings

if TYPE_CHECKING:
    from staffeln.conductor.rounds import Rhythm
    from staffeln.leadership import Settings as LeadershipSettings

_HEARTBEATS_PER_TIMEOUT = 4


def policy(conf: cfg.ConfigOpts) -> policies.Policy:
    """The options that the rules of planning read."""
    group = conf.conductor
    return policies.Policy(
        backup_min_interval=_seconds(group.backup_min_interval),
        full_backup_depth=group.full_backup_depth,
        failure_backoff=group.failure_backoff.fixed,
        failure_backoff_max=group.failure_backoff_max.fixed,
        full_only_period=group.full_only_period,
    )


def protection_policy(conf: cfg.ConfigOpts) -> policies.ProtectionPolicy:
    """The options that say when a volume is not protected as it should be."""
    group = conf.conductor
    return policies.ProtectionPolicy(
        interval=_seconds(
            max(group.backup_min_interval, group.backup_service_period)
        ),
        tolerance=group.protection_tolerance,
    )


def selection_rule(conf: cfg.ConfigOpts) -> selection.Rule:
    """Which servers and volumes are to be protected."""
    group = conf.conductor
    return selection.Rule(
        backup_key=group.backup_metadata_key,
        retention_key=group.retention_metadata_key,
        retention_time=group.retention_time,
        honour_volume_opt_out=group.honour_volume_opt_out,
    )


def retention_policy(conf: cfg.ConfigOpts) -> policies.RetentionPolicy:
    """The options that the rules of retention read."""
    group = conf.conductor
    return policies.RetentionPolicy(
        retention_time=group.retention_time,
        minimum=group.retention_minimum,
        keep_last=group.retention_keep_last,
        shortening_grace=group.retention_shortening_grace.fixed,
        max_fraction=group.retention_max_fraction,
        small_round=group.retention_small_round,
    )


def workflow(conf: cfg.ConfigOpts) -> Settings:
    """All options that the workflow obeys."""
    group = conf.conductor
    return Settings(
        policy=policy(conf),
        protection=protection_policy(conf),
        backup_service_period=_seconds(group.backup_service_period),
        rule=selection_rule(conf),
        retention=retention_policy(conf),
        clock_tolerance=group.clock_tolerance.fixed,
        vanished_period=group.vanished_period,
        reconciliation_period=_seconds(group.reconciliation_period),
        orphan_settle_time=group.orphan_settle_time.fixed,
        backup_cycle_timeout=group.backup_cycle_timeout,
        create_settle_time=conf.openstack.create_settle_time.fixed,
        absence_settle_time=group.absence_settle_time.fixed,
        heartbeat_timeout=group.heartbeat_timeout.fixed,
        task_poll_period=_seconds(group.task_poll_period),
        max_running_backups=group.max_running_backups,
        max_running_backups_per_project=(
            group.max_running_backups_per_project
        ),
        max_running_deletes=group.max_running_deletes,
        backup_workers=group.backup_workers,
        rotation_workers=group.rotation_workers,
    )


def freshness_limits(conf: cfg.ConfigOpts) -> freshness.Limits:
    """How old rounds and last backups may be."""
    group = conf.conductor
    return freshness.Limits(
        cycle=freshness.missed(_seconds(group.backup_service_period)),
        retention=freshness.missed(_seconds(group.retention_service_period)),
        protection=protection_policy(conf).stale_after,
    )


def backup_key_is_set(conf: cfg.ConfigOpts) -> bool:
    """Whether somebody set ``backup_metadata_key``, to whatever value."""
    location = conf.get_location("backup_metadata_key", "conductor")
    return location is not None and location.location.is_user_controlled


def rhythm(conf: cfg.ConfigOpts) -> Rhythm:
    """How often a conductor does what."""
    from staffeln.conductor.rounds import Rhythm

    group = conf.conductor
    timeout = group.heartbeat_timeout.fixed
    return Rhythm(
        backup_service_period=group.backup_service_period,
        retention_service_period=group.retention_service_period,
        task_poll_period=group.task_poll_period,
        heartbeat_period=timeout.total_seconds() / _HEARTBEATS_PER_TIMEOUT,
        heartbeat_timeout=timeout,
        office_period=conf.coordination.lease_retry_period,
        census_period=conf.metrics.census_period,
    )


def receivers_policy(conf: cfg.ConfigOpts) -> receivers.Policy:
    """Who gets reports."""
    group = conf.notification
    return receivers.Policy(
        sender=group.sender_email,
        receivers=_given(group.receiver),
        project_domain=group.project_receiver_domain,
        operators=_given(group.operator_receiver),
        roles=_given(group.report_roles),
        period=_seconds(conf.conductor.report_period),
    )


def leadership(conf: cfg.ConfigOpts) -> LeadershipSettings:
    """How this conductor contends for the office."""
    from staffeln.leadership import Settings as LeadershipSettings

    group = conf.coordination
    return LeadershipSettings(
        backend_url=group.backend_url,
        state_path=conf.state_path,
        kubeconfig=group.kubeconfig,
        lease_namespace=group.lease_namespace,
        lease_name=group.lease_name,
        lease_duration=group.lease_duration,
        lease_renew_deadline=group.lease_renew_deadline,
        lease_retry_period=group.lease_retry_period,
    )


def _given(texts: Iterable[str | None]) -> tuple[str, ...]:
    """Without what is empty between two commas."""
    return tuple(each for each in texts if each)


def _seconds(number: int) -> datetime.timedelta:
    return datetime.timedelta(seconds=number)
