# SPDX-License-Identifier: Apache-2.0
"""Numbers about the API, as Prometheus reads them.

Several processes share them where the environment variable
PROMETHEUS_MULTIPROC_DIR names a folder, set before this is imported.
"""

from __future__ import annotations

import os

import prometheus_client
from prometheus_client import multiprocess

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2)

REQUESTS = prometheus_client.Counter(
    "staffeln_api_requests",
    "Requests that were answered.",
    ("method", "route", "status"),
)
SECONDS = prometheus_client.Histogram(
    "staffeln_api_request_seconds",
    "Seconds from a request to its answer.",
    ("method", "route", "status"),
    buckets=_BUCKETS,
)
CHECKS = prometheus_client.Counter(
    "staffeln_api_checks",
    "Checks before a delete: what was answered, and what was doubted.",
    ("answer", "doubt"),
)


def count_check(answer: str, doubt: str) -> None:
    """Count an answer to Cinder.

    :param doubt: a word for it, one of a known few; empty: there is none.
    """
    CHECKS.labels(answer, doubt).inc()


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count a request.

    :param method: one of a known few, as are routes: each makes a series.
    """
    labels = (method, route, str(status))
    REQUESTS.labels(*labels).inc()
    SECONDS.labels(*labels).observe(seconds)


def render() -> bytes:
    """All numbers of all processes."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return prometheus_client.generate_latest()
    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return prometheus_client.generate_latest(registry)
