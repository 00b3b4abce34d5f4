# SPDX-License-Identifier: Apache-2.0
"""``staffeln-conductor``: schedules and makes backups."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence

from staffeln import conf, wiring
from staffeln.domain import errors

_PROG = "staffeln-conductor"


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return wiring.run_conductor(
            functools.partial(conf.load, arguments, prog=_PROG)
        )
    except errors.StaffelnError as error:
        print(f"{_PROG}: {error}", file=sys.stderr)  # noqa: T201
        return 1


if __name__ == "__main__":
    sys.exit(main())
