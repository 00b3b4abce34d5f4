# SPDX-License-Identifier: Apache-2.0
"""The options of ``[coordination]`` as plain data."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one conductor contends. Names are those of the options."""

    backend_url: str = dataclasses.field(default="", repr=False)
    """Empty: a Kubernetes Lease where there is one to be had, else a lock
    on a file. May hold a password."""
    state_path: str = ""
    kubeconfig: str = ""
    """Path; empty: the service account of the pod."""
    lease_namespace: str = ""
    """Empty: the pod's own, or the one of the kubeconfig's context."""
    lease_name: str = "staffeln-scheduler"
    lease_duration: int = 15
    """Seconds of silence after which others may take the lock."""
    lease_renew_deadline: int = 10
    """Seconds for which a holder believes the last answer it had."""
    lease_retry_period: int = 2
    """Seconds between two calls, of the holder and of those who wait."""
