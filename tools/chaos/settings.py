# SPDX-License-Identifier: Apache-2.0
"""What the conductors of a chaos run are told: shorter times."""

from __future__ import annotations

KEY = "chaos"

LIMIT = 12
"""Backups that may run at once."""
LEASE = {
    "lease_duration": 6,
    "lease_renew_deadline": 4,
    "lease_retry_period": 1,
}
SILENCE = 8
"""Seconds after which a silent conductor counts as dead."""
GRACE = 20
"""Seconds that a conductor has to end politely."""
SETTLE = 30
"""Seconds for which an unanswered attempt is looked up: longer than a backup
takes, for what comes while another one is made is refused by Cinder."""
LATE = (4.0, SETTLE - 6.0)
"""Seconds until a late request is carried out; within the settle time, also
when Cinder takes some seconds to do it."""
ABSENCE = SETTLE
INTERVAL = 45
"""Seconds between two backups of a volume."""


def options(kubeconfig: str) -> dict[str, dict[str, object]]:
    """What all conductors are told: as in production, but quicker."""
    return {
        "DEFAULT": {"debug": False, "graceful_shutdown_timeout": GRACE},
        "coordination": {"kubeconfig": kubeconfig, **LEASE},
        "openstack": {
            "retry_timeout": 15,
            "max_retry_interval": 2,
            "connect_timeout": 5,
            "read_timeout": 8,
            "create_settle_time": f"{SETTLE}s",
        },
        "conductor": {
            "backup_metadata_key": KEY,
            "backup_service_period": 4,
            "backup_min_interval": INTERVAL,
            "backup_cycle_timeout": "2min",
            "task_poll_period": 2,
            "retention_service_period": 5,
            "heartbeat_timeout": f"{SILENCE}s",
            "failure_backoff": "3s",
            "failure_backoff_max": "15s",
            "full_only_period": "1min",
            "absence_settle_time": f"{ABSENCE}s",
            "max_running_backups": LIMIT,
            "backup_workers": 8,
        },
    }
