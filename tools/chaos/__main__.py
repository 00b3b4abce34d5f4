# SPDX-License-Identifier: Apache-2.0
"""The command behind ``tools/chaos.sh``."""

from __future__ import annotations

import argparse
import pathlib
import secrets
import shutil
import sys
import tempfile

from tools.chaos import faults, run, world
from tools.chaos.plants import PLANTS


def main() -> int:
    """Make a world, let it go wrong, and say what that came to."""
    options = _options()
    seed = options.seed or secrets.token_hex(4)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="staffeln-chaos-"))
    _say(f"seed {seed}; logs in {folder}")
    with world.own_sandbox(options.name, options.base_port) as sandbox:
        here = world.World(
            folder, sandbox, options.name, seed=seed, plant=options.plant
        )
        try:
            scene = here.make_scene(3, options.volumes)
            story = run.Run(
                here, scene, seed=seed, only=options.only, tell=_say
            ).run(options.minutes * 60, stop_at_violation=bool(options.plant))
        finally:
            here.close()
    _say(run.table(story))
    if story.good:
        shutil.rmtree(folder)
    return 0 if story.good else 1


def _options() -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args()
    for word in options.only:
        if not any(word in each.name for each in faults.FAULTS):
            parser.error(f"--only: no fault has {word!r} in its name")
    if options.minutes <= 0 or options.volumes < 1:
        parser.error("--minutes and --volumes have to be above 0")
    return options


def _words(listed: str) -> list[str]:
    return [each.strip() for each in listed.split(",") if each.strip()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/chaos.sh",
        description="Three conductors on MariaDB, a Lease on a real API "
        "server and a real cloud, while all of these and the ways between "
        "them fail; checks throughout that nothing is made twice, lost or "
        "forgotten. Exit code 1 if anything was.",
        epilog="Faults: " + "; ".join(each.name for each in faults.FAULTS),
    )
    parser.add_argument("--seed", help="of a run that is to be repeated")
    parser.add_argument(
        "--minutes",
        type=float,
        default=20,
        help="of trouble (20); the whole takes some five minutes more",
    )
    parser.add_argument(
        "--volumes", type=int, default=60, help="how many there are (60)"
    )
    parser.add_argument(
        "--only",
        type=_words,
        default=[],
        metavar="WORD,...",
        help="only faults with one of these in their names",
    )
    parser.add_argument(
        "--plant",
        choices=sorted(PLANTS),
        default="",
        help="plant this bug, which the run has to find: it ends with the "
        "first violation, and its exit code is 1",
    )
    parser.add_argument(
        "--name", default="chaos", help="of the sandbox cloud (chaos)"
    )
    parser.add_argument(
        "--base-port", type=int, default=17000, help="of the sandbox (17000)"
    )
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
