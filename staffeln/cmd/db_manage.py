# SPDX-License-Identifier: Apache-2.0
"""``staffeln-db-manage``: makes and upgrades the database."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from staffeln import conf as configuration
from staffeln.cmd import interrupts, streams
from staffeln.conf import permissions
from staffeln.domain import errors
from staffeln.wiring import managing

_PROG = "staffeln-db-manage"
_ABOUT = (
    "Makes Staffeln's database, brings it up to date, back to release 2.x or "
    "to another cloud, and says which schema it has."
)


@interrupts.end_at_once()
def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    streams.open_closed()
    told = streams.Told()
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
        for line in permissions.warnings(conf):
            streams.complain(_PROG, line)
        managing.run(
            conf,
            conf.command.name,
            managing.Wanted(
                revision=getattr(conf.command, "revision", "head"),
                forced=getattr(conf.command, "force", False),
                really=getattr(conf.command, "yes", False),
            ),
            told.tell,
        )
    except errors.StaffelnError as error:
        streams.complain(_PROG, str(error))
        return 1
    return told.code(_PROG)


def _add_commands(commands: Any) -> None:
    _add_command(
        commands, "create_schema", "make the schema in an empty database"
    )
    upgrade = _add_command(
        commands,
        "upgrade",
        "bring the schema up to date; a database of release 2.x is adopted: "
        "nothing is forgotten, its tables are kept aside",
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
        help="adopt although rows of release 2.x changed within the last ten "
        "minutes, or are of a time that is yet to come",
    )
    _add_command(commands, "version", "print the revision of the schema")
    _add_command(
        commands,
        "rehearse",
        "say what upgrade would do; nothing is written, and release 2.x may "
        "run meanwhile",
    )
    back = _add_command(
        commands,
        "export-2x",
        "the way back: write the rows into tables of release 2.x, which can "
        "go on with them; what it has no room for is kept aside",
    )
    back.add_argument(
        "--force",
        action="store_true",
        help="although a conductor gave a sign of life within the last ten "
        "minutes",
    )
    rebind = _add_command(
        commands,
        "rebind",
        "bind the database to the cloud, region, endpoint and service user "
        "of the credentials, in place of those that it belongs to; without "
        "--yes only show what would change",
    )
    rebind.add_argument("--yes", action="store_true", help="do it")
    rebind.add_argument(
        "--force",
        action="store_true",
        help="although that cloud knows none of the managed backups, or rows "
        "of conductors are there",
    )


def _add_command(
    commands: Any, name: str, what: str
) -> argparse.ArgumentParser:
    """A command that says what it does in both places of --help."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=what, description=f"{what[0].upper()}{what[1:]}."
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
