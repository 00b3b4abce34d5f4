# SPDX-License-Identifier: Apache-2.0
"""What a pod of Kubernetes tells the process that runs in it."""

from __future__ import annotations

import os
import pathlib

SERVICE_ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")


def in_cluster() -> bool:
    """Whether this process runs in a pod that may talk to its API server."""
    return (
        bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
        and (SERVICE_ACCOUNT / "token").is_file()
    )


def namespace() -> str:
    """The pod's namespace; empty outside of one."""
    try:
        return (SERVICE_ACCOUNT / "namespace").read_text().strip()
    except OSError:
        return ""
