# SPDX-License-Identifier: Apache-2.0
"""``staffeln-api``: tells Cinder which backups members may delete."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from staffeln import conf
from staffeln.cmd import ending
from staffeln.wiring import api

_PROG = "staffeln-api"
_ABOUT = (
    "Answers Cinder's policy engine whether a member of a project may delete "
    "a backup: those that Staffeln manages stay, all others may go. SIGHUP "
    "reads the configuration again, SIGTERM stops without losing a request."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    load = functools.partial(
        conf.load, arguments, prog=_PROG, about=_ABOUT, reader=conf.Reader.API
    )
    return ending.run(_PROG, lambda: api.run(load))


if __name__ == "__main__":
    sys.exit(main())
