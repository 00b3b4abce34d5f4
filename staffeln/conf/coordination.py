# SPDX-License-Identifier: Apache-2.0
"""``[coordination]`` and ``state_path``: how one scheduler is chosen."""

from __future__ import annotations

from oslo_config import cfg

GROUP = cfg.OptGroup(
    "coordination",
    title="Coordination",
    help="How the conductors agree on the one that schedules.",
)

OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "backend_url",
        default="",
        secret=True,
        help="URL of the backend through which conductors agree on one "
        "scheduler. Empty means a lock on a file below state_path, which "
        "serves conductors of one host only: with others alive on another "
        "host it refuses to schedule. file:///DIRECTORY keeps that lock in "
        "another folder. This release refuses to start with any other "
        "scheme.",
    ),
]

TOP_OPTS: list[cfg.Opt] = [
    cfg.StrOpt(
        "state_path",
        default="/var/lib/staffeln",
        help="Absolute path of a folder that Staffeln may write to. It holds "
        "the lock of the scheduler where no other backend is set; where it "
        "cannot be written nothing is scheduled.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the group and its options."""
    conf.register_opts(TOP_OPTS)
    conf.register_group(GROUP)
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup | None, list[cfg.Opt]]]:
    """The options, for the sample and the docs."""
    return [(None, TOP_OPTS), (GROUP, OPTS)]
