# SPDX-License-Identifier: Apache-2.0
"""``staffeln``: shows operators what is done and would be done."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from staffeln.cli import app
from staffeln.cli.doors import Doors
from staffeln.cmd import interrupts, streams

if TYPE_CHECKING:
    from oslo_config import cfg

    from staffeln import ports
    from staffeln.domain.findings import CheckRequest, Examination
    from staffeln.workflow.settings import Settings


@interrupts.end_at_once()
def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    streams.open_closed()
    return streams.printing(
        app.NAME, lambda: app.main(arguments, _open_doors, _examine)
    )


def _open_doors(config_files: Sequence[str]) -> Doors:
    """Read the configuration; nothing else is opened yet."""
    # Only when a command runs: --help is to be fast.
    from staffeln import conf as configuration
    from staffeln.wiring import doors, settings

    conf = configuration.load(
        [word for path in config_files for word in ("--config-file", path)],
        prog=app.NAME,
    )
    return Doors(
        store=lambda: contextlib.closing(doors.store(conf)),
        cloud=lambda: _reach_cloud(conf),
        settings=lambda store: _settings(conf, store),
        limits=lambda: settings.freshness_limits(conf),
    )


def _examine(asked: CheckRequest) -> Examination:
    """Look at the deployment, whatever is wrong with it."""
    from staffeln.wiring import doctor

    return doctor.examine(asked)


def _reach_cloud(conf: cfg.ConfigOpts) -> ports.Cloud:
    """The cloud; one that cannot be reached is said at once."""
    from staffeln.wiring import doors

    doors.cloud(conf, patient=False).identity()
    return doors.cloud(conf)


def _settings(conf: cfg.ConfigOpts, store: ports.Store) -> Settings:
    """The options in force, where the conductor would start with them."""
    from staffeln.conductor import preflight
    from staffeln.wiring import settings

    preflight.check_adopted(
        store.deployment(),
        backup_key_is_set=settings.backup_key_is_set(conf),
    )
    return settings.workflow(conf)


if __name__ == "__main__":
    sys.exit(main())
