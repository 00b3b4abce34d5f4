# SPDX-License-Identifier: Apache-2.0
"""``[metrics]``: what a conductor tells Prometheus."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "metrics",
    title="Metrics",
    help="What a conductor tells Prometheus. Those of staffeln-api are in "
    "group api.",
)

OPTS: list[cfg.Opt] = [
    cfg.BoolOpt(
        "enabled",
        default=False,
        help="Answer GET /metrics for Prometheus, in every conductor. The "
        "numbers name projects by their ids and say how many backups they "
        "have: host belongs on the management network.",
    ),
    cfg.HostAddressOpt(
        "host",
        default="127.0.0.1",
        help="Address or name of this host on which a conductor answers "
        "GET /metrics; :: or 0.0.0.0 is all of them. Where it cannot be had "
        "the conductor works without, says so, and tries again.",
    ),
    cfg.PortOpt(
        "port",
        default=8810,
        min=1,
        help="Port on which a conductor answers GET /metrics. Conductors of "
        "one host need different ones; it must not be one of staffeln-api "
        "on the same host either.",
    ),
    cfg.IntOpt(
        "census_period",
        default=60,
        min=5,
        max=86_400,
        help="Seconds between two counts of tasks and backups in the "
        "database, which the conductor in office makes where metrics are "
        "enabled. Long ones make these numbers old; each count reads an "
        "index of all tasks and of all backups.",
    ),
    cfg.IntOpt(
        "project_series",
        default=100,
        min=0,
        max=10_000,
        help="Number of projects whose backups have series of their own: "
        "those with the most. All others are counted as one project named "
        "other. Each project costs Prometheus two series.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the group and its options."""
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup, list[cfg.Opt]]]:
    """The options, for the sample and the docs."""
    return [(GROUP, OPTS)]
