# SPDX-License-Identifier: Apache-2.0
"""``staffeln-api``: tells Cinder which backups members may delete."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Sequence

from staffeln import conf, wiring
from staffeln.domain import errors

_PROG = "staffeln-api"

EX_CONFIG = 78
"""The exit code after which the systemd unit does not start it again."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to stop; returns the exit code.

    78 (EX_CONFIG) is a failure that somebody has to mend before another
    start can go well, 1 any other.
    """
    # To be told to read again before anything was read is no reason to end.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    arguments = sys.argv[1:] if argv is None else argv
    try:
        return wiring.run_api(
            functools.partial(
                conf.load, arguments, prog=_PROG, reader=conf.Reader.API
            )
        )
    except errors.StaffelnError as error:
        print(f"{_PROG}: {error}", file=sys.stderr)  # noqa: T201
        lasting = (errors.ConfigurationError, errors.SchemaError)
        return EX_CONFIG if isinstance(error, lasting) else 1


if __name__ == "__main__":
    sys.exit(main())
