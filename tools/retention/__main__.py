# SPDX-License-Identifier: Apache-2.0
"""Let chains come and go, and compare what is left with the oracle.

Four deployments work side by side: chains of depth 2 and 4, each with grace
and keep-last of 0 and with their defaults; in each, servers that say ``20s``,
``2min``, nothing, and what is no duration. Meanwhile values become longer and
shorter, and a user makes an incremental of their own.

Exit code 1: a backup was deleted that the oracle keeps, or is there for
longer than the allowance after the oracle let it go.
"""

from __future__ import annotations

import argparse
import pathlib
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator

from sandbox.scenery import Sandbox
from tools.retention import deployments, watch

NAME = "watch"
BASE_PORT = 26000
PERIOD = 1.0
"""Seconds between two observations."""
TOLD_EACH = 30.0


def main() -> int:
    """Watch, print a line now and then, and a table at the end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument(
        "--plant",
        choices=sorted(deployments.PLANTS),
        help="break a rule in the conductors: the watch has to notice",
    )
    arguments = parser.parse_args()
    with (
        Sandbox.started(NAME, BASE_PORT) as cloud,
        tempfile.TemporaryDirectory() as folder,
    ):
        return _run(cloud, pathlib.Path(folder), arguments)


def _run(
    cloud: Sandbox, folder: pathlib.Path, arguments: argparse.Namespace
) -> int:
    scenes = deployments.begin(cloud, folder, arguments.plant)
    try:
        observer = watch.Observer(cloud, scenes)
        until = time.monotonic() + arguments.minutes * 60
        events = _events(scenes, arguments.minutes * 60)
        due = next(events, None)
        began = told = time.monotonic()
        while time.monotonic() < until:
            if due and time.monotonic() - began >= due[0]:
                _say(began, due[1])
                due[2]()
                due = next(events, None)
            observer.look()
            if time.monotonic() - told >= TOLD_EACH:
                told = time.monotonic()
                _say(began, observer.in_words())
            threading.Event().wait(PERIOD)
        return observer.sum_up(sys.stdout)
    finally:
        for scene in scenes:
            scene.end()


def _events(
    scenes: list[deployments.Scene], seconds: float
) -> Iterator[tuple[float, str, Callable[[], None]]]:
    """What changes meanwhile, at which second, in words."""
    plain, kept = scenes[0], scenes[-1]
    yield seconds * 0.2, "20s becomes 2min", plain.says("20s", "2min")
    yield seconds * 0.3, "a user's own incremental", kept.own_incremental()
    yield seconds * 0.4, "2min becomes 20s", plain.says("2min", "20s")
    yield (
        seconds * 0.5,
        "2min becomes 20s, with the grace",
        kept.says("2min", "20s"),
    )
    yield seconds * 0.6, "a value is removed", plain.says("soon", None)
    yield seconds * 0.7, "the user's own is deleted", kept.forget_own()


def _say(began: float, line: str) -> None:
    sys.stdout.write(f"{time.monotonic() - began:7.1f} s  {line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
