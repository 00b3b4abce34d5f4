# SPDX-License-Identifier: Apache-2.0
"""``staffeln-status``: may this release be started here?"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from staffeln import conf as configuration
from staffeln.cmd import interrupts, streams
from staffeln.domain import errors

_PROG = "staffeln-status"
_ABOUT = (
    "Says whether this release may be started here: run it when it is "
    "installed, and again when the database is upgraded."
)
_FAILURE = 2


@interrupts.end_at_once()
def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    streams.open_closed()
    return streams.printing(_PROG, lambda: _run(arguments), failed=_FAILURE)


def _run(arguments: Sequence[str]) -> int:
    from staffeln.status import upgrade

    try:
        conf = configuration.load(
            arguments,
            prog=_PROG,
            about=_ABOUT,
            cli_opts=[upgrade.command_line()],
            reader=configuration.Reader.DOCTOR,
            checked=False,
        )
    except errors.StaffelnError as error:
        streams.complain(_PROG, str(error))
        return _FAILURE
    from staffeln.wiring import upgrade_check

    return upgrade.check(
        conf, lambda: upgrade_check.look(conf, conf.config_file or ())
    )


if __name__ == "__main__":
    sys.exit(main())
