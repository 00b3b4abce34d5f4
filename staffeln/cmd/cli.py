# SPDX-License-Identifier: Apache-2.0
"""``staffeln``: look at what is done and would be done."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from staffeln import wiring
from staffeln.cli import app


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    # A table as wide as the terminal, where there is one.
    os.environ.setdefault("CLIFF_FIT_WIDTH", "1")
    arguments = sys.argv[1:] if argv is None else argv
    return int(app.Application(wiring.open_doors).run(list(arguments)))


if __name__ == "__main__":
    sys.exit(main())
