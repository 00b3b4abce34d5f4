# SPDX-License-Identifier: Apache-2.0
"""What all commands have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar, cast

from cliff import lister, show

from staffeln.cli.app import StaffelnApp
from staffeln.domain import errors

ALL = 0
"""The value of ``--limit`` that means: no limit."""

_LONGEST_LIST = 3
_ID_LENGTH = 36


class Lister(lister.Lister):
    """A command that prints a table."""

    @property
    def staffeln(self) -> StaffelnApp:
        """The application that runs it."""
        return cast(StaffelnApp, self.app)

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options, and ``--long``."""
        parser = super().get_parser(prog_name)
        # An empty table is an answer; cliff would print an empty line.
        parser.set_defaults(print_empty=True)
        parser.add_argument(
            "--long",
            action="store_true",
            help="show all columns, also where the terminal is narrow; "
            "other formats than the table always have all",
        )
        return parser

    def add_limit(self, parser: argparse.ArgumentParser) -> None:
        """Add ``--limit``."""
        parser.add_argument(
            "--limit",
            type=_limit,
            default=100,
            metavar="N",
            help=f"show the N newest (default: 100; {ALL}: all)",
        )

    def limited(
        self, parsed_args: argparse.Namespace, find: Callable[..., list[Any]]
    ) -> list[Any]:
        """What is found, at most ``--limit``; says so when there is more.

        :param find: gets ``limit``.
        """
        limit = parsed_args.limit or None
        found = find(limit=limit and limit + 1)
        if not found:
            self.staffeln.tell("Nothing found.")
        elif limit and len(found) > limit:
            self.staffeln.tell(
                f"Only the newest {limit} are shown; --limit {ALL} shows all."
            )
        return found[:limit]


class ShowOne(show.ShowOne):
    """A command that prints one thing."""

    @property
    def staffeln(self) -> StaffelnApp:
        """The application that runs it."""
        return cast(StaffelnApp, self.app)


def _limit(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError("must be 0 or more")
    return number


class HasId(Protocol):
    """A task or a backup."""

    @property
    def id(self) -> str:
        """Its id."""


Thing = TypeVar("Thing", bound=HasId)


def one(
    what: str,
    text: str,
    by_id: Callable[[str], Thing | None],
    everything: Callable[[], Sequence[Thing]],
) -> Thing:
    """The thing with this id, or whose id alone begins like this.

    :param what: its sort in words.
    :raises StaffelnError: there is none, or more than one.
    """
    found = by_id(text)
    if found is not None:
        return found
    matching = []
    if 0 < len(text) < _ID_LENGTH:
        matching = [each for each in everything() if each.id.startswith(text)]
    if not matching:
        raise errors.StaffelnError(f"there is no {what} {text}")
    if len(matching) > 1:
        ids = ", ".join(each.id for each in matching[:_LONGEST_LIST])
        more = len(matching) - _LONGEST_LIST
        raise errors.StaffelnError(
            f"{len(matching)} {what}s begin with {text}: {ids}"
            + (f" and {more} more" if more > 0 else "")
        )
    return matching[0]
