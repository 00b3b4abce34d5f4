# SPDX-License-Identifier: Apache-2.0
"""``staffeln-conductor``: schedules and makes backups."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Sequence

from staffeln import conf, wiring
from staffeln.domain import errors

_PROG = "staffeln-conductor"

EX_CONFIG = 78
"""The exit code after which the systemd unit does not start it again."""

_NO_RESTART_HEALS = (
    errors.ConfigurationError,
    errors.ForbiddenError,
    errors.SchemaError,
    errors.WrongCloudError,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code.

    78 (EX_CONFIG) is a failure that somebody has to mend before another
    start can go well, 1 any other.
    """
    # To be told to read again before anything was read is no reason to end.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return wiring.run_conductor(
            functools.partial(conf.load, arguments, prog=_PROG)
        )
    except errors.StaffelnError as error:
        print(f"{_PROG}: {error}", file=sys.stderr)  # noqa: T201
        return EX_CONFIG if isinstance(error, _NO_RESTART_HEALS) else 1


if __name__ == "__main__":
    sys.exit(main())
