# SPDX-License-Identifier: Apache-2.0
"""``staffeln-db-manage``: makes and upgrades the database."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from staffeln import conf as configuration
from staffeln.domain import errors
from staffeln.wiring import doors

_PROG = "staffeln-db-manage"
_ABOUT = (
    "Makes Staffeln's database, brings it up to date, and says which "
    "schema it has."
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        conf = configuration.load(
            arguments,
            prog=_PROG,
            about=_ABOUT,
            cli_opts=[
                cfg.SubCommandOpt(
                    "command", title="commands", handler=_add_commands
                )
            ],
        )
        doors.manage_database(
            conf,
            conf.command.name,
            getattr(conf.command, "revision", "head"),
            forced=getattr(conf.command, "force", False),
            tell=_tell,
        )
    except errors.StaffelnError as error:
        print(f"{_PROG}: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)  # noqa: T201


def _add_commands(commands: Any) -> None:
    commands.add_parser(
        "create_schema", help="make the schema in an empty database"
    )
    upgrade = commands.add_parser(
        "upgrade",
        help="bring the schema up to date; a database of release 2.x is "
        "adopted: nothing is forgotten, its tables are kept aside",
    )
    upgrade.add_argument(
        "revision",
        nargs="?",
        default="head",
        help="the revision to upgrade to (default: head)",
    )
    upgrade.add_argument(
        "--force",
        action="store_true",
        help="adopt although rows of the earlier release changed within the "
        "last ten minutes",
    )
    commands.add_parser("version", help="print the revision of the schema")


if __name__ == "__main__":
    sys.exit(main())
