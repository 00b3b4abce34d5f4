# SPDX-License-Identifier: Apache-2.0
"""``[openstack]``: what the workflow reads beside the door's own options."""

from __future__ import annotations

from oslo_config import cfg

from staffeln.conf import types

GROUP = "openstack"

OPTS: list[cfg.Opt] = [
    cfg.Opt(
        "create_settle_time",
        type=types.Duration(fixed=True),
        default="2min",
        help="How long a create call without a clear answer is looked up in "
        "Cinder before another call may follow. Proxies and cinder-api go "
        "on after a client has left; too short, and a volume is backed up "
        "twice.",
    ),
]


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Register the options."""
    conf.register_opts(OPTS, group=GROUP)


def list_opts() -> list[tuple[cfg.OptGroup | str | None, list[cfg.Opt]]]:
    """The options, for the sample and the docs."""
    return [(GROUP, OPTS)]
