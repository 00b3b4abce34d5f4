# SPDX-License-Identifier: Apache-2.0
"""Plain things for the tests of the rules, and strategies for more."""

from __future__ import annotations

import datetime
from typing import Any

from hypothesis import strategies as st

from staffeln.domain import durations, model, plan, policies, selection, task

NOW = datetime.datetime(2026, 3, 31, 2, 0)  # noqa: DTZ001  UTC by rule
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
MICROSECOND = datetime.timedelta(microseconds=1)


def policy(**changes: Any) -> policies.Policy:
    """The defaults, with changes."""
    values: dict[str, Any] = {
        "backup_min_interval": DAY,
        "full_backup_depth": 2,
        "failure_backoff": HOUR,
        "failure_backoff_max": DAY,
        "full_only_period": durations.Duration(days=30),
    }
    return policies.Policy(**{**values, **changes})


def protection_policy(**changes: Any) -> policies.ProtectionPolicy:
    """A volume is stale after three days, with changes."""
    values: dict[str, Any] = {"interval": DAY, "tolerance": 3}
    return policies.ProtectionPolicy(**{**values, **changes})


def rule(**changes: Any) -> selection.Rule:
    """The default rule of selection, with changes."""
    values: dict[str, Any] = {
        "backup_key": "__staffeln_backup",
        "retention_key": "__staffeln_retention",
        "retention_time": durations.Duration(days=30),
        "honour_volume_opt_out": True,
    }
    return selection.Rule(**{**values, **changes})


def server(server_id: str = "s1", **changes: Any) -> model.Server:
    """A selected server in project p1 with volume v1."""
    values: dict[str, Any] = {
        "id": server_id,
        "name": f"name of {server_id}",
        "project_id": "p1",
        "status": "ACTIVE",
        "task_state": None,
        "metadata": {"__staffeln_backup": "true"},
        "volume_ids": ("v1",),
    }
    return model.Server(**{**values, **changes})


def volume(volume_id: str = "v1", **changes: Any) -> model.Volume:
    """A volume in use in project p1."""
    values: dict[str, Any] = {
        "id": volume_id,
        "name": f"name of {volume_id}",
        "project_id": "p1",
        "status": "in-use",
        "size": 1,
        "metadata": {},
        "server_ids": ("s1",),
    }
    return model.Volume(**{**values, **changes})


def candidate(volume_id: str = "v1", **changes: Any) -> model.Candidate:
    """A candidate; ``server_busy`` apart, changes are the volume's."""
    busy = changes.pop("server_busy", False)
    return model.Candidate(
        volume=volume(volume_id, **changes),
        server_id="s1",
        server_name="name of s1",
        server_busy=busy,
        retention=None,
    )


def inventory(
    *candidates: model.Candidate, complete: bool = True
) -> model.Inventory:
    """An inventory of these candidates."""
    return model.Inventory(candidates=candidates, complete=complete)


def backup(backup_id: str = "b1", **changes: Any) -> model.Backup:
    """A completed full backup of v1, made two days ago."""
    values: dict[str, Any] = {
        "id": backup_id,
        "project_id": "p1",
        "volume_id": "v1",
        "state": model.BackupState.AVAILABLE,
        "incremental": False,
        "created_at": NOW - 2 * DAY,
        "completed_at": NOW - 2 * DAY,
    }
    return model.Backup(**{**values, **changes})


def retention_policy(**changes: Any) -> policies.RetentionPolicy:
    """The defaults of retention, with changes."""
    values: dict[str, Any] = {
        "retention_time": durations.Duration(days=30),
        "minimum": durations.Duration(),
        "keep_last": 1,
        "shortening_grace": 7 * DAY,
        "max_fraction": 0.5,
        "small_round": 50,
    }
    return policies.RetentionPolicy(**{**values, **changes})


def record(**changes: Any) -> model.VolumeRecord:
    """What is remembered of v1."""
    values: dict[str, Any] = {"volume_id": "v1", "project_id": "p1"}
    return model.VolumeRecord(**{**values, **changes})


def backup_task(task_id: str = "t1", **changes: Any) -> task.Task:
    """A planned full backup of v1."""
    values: dict[str, Any] = {
        "id": task_id,
        "kind": task.Kind.BACKUP,
        "state": task.State.PLANNED,
        "project_id": "p1",
        "volume_id": "v1",
        "mode": task.Mode.FULL,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return task.Task(**{**values, **changes})


def cycle(**changes: Any) -> model.Cycle:
    """A complete cycle that found nothing to do."""
    values: dict[str, Any] = {
        "ended_at": NOW,
        "seconds": 1.0,
        "term": 1,
        "complete": True,
        "selected": 0,
        "dropped": 0,
        "never_protected": 0,
        "stale": 0,
        "oldest_protection_at": None,
    }
    return model.Cycle(**{**values, **changes})


# -- strategies ------------------------------------------------------------

moments = st.datetimes(
    min_value=datetime.datetime(1970, 1, 1),  # noqa: DTZ001
    max_value=datetime.datetime(2200, 1, 1),  # noqa: DTZ001
)

allowed_durations = st.builds(
    durations.Duration,
    years=st.integers(0, 49),
    months=st.integers(0, 240),
    weeks=st.integers(0, 300),
    days=st.integers(0, 2000),
    hours=st.integers(0, 10_000),
    minutes=st.integers(0, 10_000),
    seconds=st.integers(0, 10**7),
)
"""Durations of less than 100 years, zero among them."""

PROJECTS = ("p1", "p2", "p3")
STATUSES = ("available", "in-use", "error", "migrating", *sorted(plan.PASSING))


@st.composite
def candidates(draw: st.DrawFn) -> list[model.Candidate]:
    """Some candidates, each volume once, of several projects."""
    return [
        candidate(
            f"v{number:02}",
            project_id=draw(st.sampled_from(PROJECTS)),
            status=draw(st.sampled_from(STATUSES)),
            server_busy=draw(st.sampled_from([False, False, True])),
        )
        for number in range(draw(st.integers(0, 12)))
    ]


@st.composite
def histories(draw: st.DrawFn) -> model.History:
    """Any past of a volume, consistent or not."""
    count = draw(st.integers(0, 4))
    chain = tuple(
        backup(
            f"b{number}",
            created_at=NOW - (count - number) * DAY,
            incremental=number > 0 or draw(st.booleans()),
            state=draw(
                st.sampled_from(
                    [model.BackupState.AVAILABLE, *model.BackupState]
                )
            ),
            project_id=draw(st.sampled_from(["p1", "p1", "p1", "p2"])),
        )
        for number in range(count)
    )
    live = draw(st.sampled_from([None, None, *sorted(task.LIVE)]))
    return model.History(
        live_task=live,
        live_since=NOW - draw(st.integers(0, 96)) * HOUR if live else None,
        last_success_at=draw(
            st.none()
            | st.integers(0, 72).map(lambda hours: NOW - hours * HOUR)
        ),
        chain=chain,
        record=draw(st.none() | records()),
        unreported_failures=draw(
            st.frozensets(
                st.sampled_from(
                    [plan.wrong_status("v00", each) for each in STATUSES]
                )
            )
        ),
    )


@st.composite
def records(draw: st.DrawFn) -> model.VolumeRecord:
    """Any record of a volume."""
    past = st.integers(0, 72).map(lambda hours: NOW - hours * HOUR)
    return record(
        failures=draw(st.integers(0, 8)),
        failed_at=draw(st.none() | past),
        incremental_failures=draw(st.integers(0, 1)),
        full_only_until=draw(
            st.none()
            | st.integers(-72, 72).map(lambda hours: NOW + hours * HOUR)
        ),
        postponed_since=draw(st.none() | past),
    )
