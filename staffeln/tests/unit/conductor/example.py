# SPDX-License-Identifier: Apache-2.0
"""A conductor process whose database and cloud are made up.

Run by the tests of the service as ``python -m``; its log goes to standard
output, a line per thing that happens. A file named ``unreachable`` or
``wrong`` beside the configuration makes its check fail.
"""

from __future__ import annotations

import datetime
import functools
import os
import pathlib
import sys
import threading
from collections.abc import Callable

from oslo_config import cfg

from staffeln import conf, ports
from staffeln.conductor import life, service
from staffeln.conductor.rounds import Parts, Rhythm
from staffeln.conf import logs
from staffeln.domain import errors
from staffeln.metrics.exporter import Exporter
from staffeln.tests.unit.conductor import stand_ins


def check(folder: pathlib.Path, _: cfg.ConfigOpts) -> None:
    """The check before the fork."""
    if (folder / "unreachable").exists():
        raise errors.NotSentError("cannot reach Keystone")
    if (folder / "wrong").exists():
        raise errors.ForbiddenError("401: wrong password")


def build_from(folder: pathlib.Path, read: cfg.ConfigOpts) -> life.Build:
    """What puts the made-up conductor together."""

    def build(_: threading.Event, wake: Callable[[], None]) -> Parts:
        if (folder / "broken").exists():
            raise RuntimeError("a bug in start")
        say(f"key {read.conductor.backup_metadata_key}")
        now = datetime.datetime(2026, 1, 1)  # noqa: DTZ001  UTC
        wake()
        return Parts(
            me=ports.Conductor(
                id="c1",
                host="h1",
                pid=os.getpid(),
                backend="none",
                started_at=now,
                heartbeat_at=now,
            ),
            store=stand_ins.Rows(now, say),
            leadership=stand_ins.Office(say),
            scheduler=stand_ins.Scheduler(say),
            worker=stand_ins.Worker(say),
            rhythm=Rhythm(
                backup_service_period=3600,
                retention_service_period=3600,
                task_poll_period=3600,
                heartbeat_period=3600,
                office_period=0.05,
                heartbeat_timeout=datetime.timedelta(hours=4),
            ),
            close=functools.partial(say, "closed"),
            count=_counted,
            asides=_asides(read),
        )

    return build


def _counted() -> int:
    say("counted")
    return 0


def _asides(read: cfg.ConfigOpts) -> list[Exporter]:
    """An exporter that tells its process, where metrics are enabled."""
    group = read.metrics
    if not group.enabled:
        return []
    return [Exporter(group.host, group.port, str(os.getpid()).encode)]


def say(what: str) -> None:
    """One line, by the process that says it."""
    # One write: print would let the log's lines in before the line's end.
    sys.stdout.write(f"{os.getpid()} {what}\n")
    sys.stdout.flush()


def main(path: str) -> int:
    """Run until told to stop."""
    folder = pathlib.Path(path).parent
    read = conf.Rereadable(
        lambda: conf.load(["--config-file", path], prog="example")
    )
    logs.begin(read.now)
    try:
        return service.run(
            read,
            functools.partial(check, folder),
            functools.partial(build_from, folder),
        )
    except errors.StaffelnError as error:
        say(f"refused: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
