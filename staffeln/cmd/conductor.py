# SPDX-License-Identifier: Apache-2.0
"""``staffeln-conductor``: schedules and makes backups."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from staffeln import conf
from staffeln.cmd import ending
from staffeln.wiring import conductor

_PROG = "staffeln-conductor"
_ABOUT = (
    "Schedules backups of the volumes of servers that carry the metadata "
    "key, makes them, and removes them when their time is over. SIGHUP "
    "reads the configuration again, SIGTERM hands the work back and stops."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    load = functools.partial(conf.load, arguments, prog=_PROG, about=_ABOUT)
    return ending.run(_PROG, lambda: conductor.run(load))


if __name__ == "__main__":
    sys.exit(main())
