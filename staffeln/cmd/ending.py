# SPDX-License-Identifier: Apache-2.0
"""How the services begin and end, alike for all of them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from staffeln.cmd import interrupts, streams
from staffeln.domain import errors

EX_CONFIG = 78
"""The exit code after which the systemd units do not start them again."""

_NO_RESTART_HEALS = (
    errors.ConfigurationError,
    errors.ForbiddenError,
    errors.SchemaError,
    errors.WrongCloudError,
)


@interrupts.end_at_once()
def run(prog: str, service: Callable[[], int]) -> int:
    """Run a service until it is told to stop; returns the exit code.

    78 (EX_CONFIG) is a failure that somebody has to mend before another
    start can go well, 1 any other.
    """
    # To be told to read again before anything was read is no reason to end.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    streams.open_closed(logs=True)
    try:
        return service()
    except errors.StaffelnError as error:
        streams.complain(prog, str(error))
        return EX_CONFIG if isinstance(error, _NO_RESTART_HEALS) else 1
    finally:
        # A log on standard output has said itself what it could not write.
        try:
            sys.stdout.flush()
        except OSError:
            streams.drop_output()
