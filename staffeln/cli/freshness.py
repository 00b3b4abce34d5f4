# SPDX-License-Identifier: Apache-2.0
"""``staffeln freshness``."""

from __future__ import annotations

import argparse
import dataclasses
import datetime
from collections.abc import Iterable, Sequence
from typing import Any

from staffeln.cli import command, fields
from staffeln.cli.fields import Field, attribute
from staffeln.domain import durations, errors, freshness

FRESH, STALE, UNKNOWN = 0, 1, 2
"""Exit codes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the database tells, and what to think of it."""

    fresh: bool
    cycle_at: datetime.datetime | None
    cycle_age: datetime.timedelta | None
    retention_at: datetime.datetime | None
    retention_age: datetime.timedelta | None
    selected: int | None
    never_protected: int
    stale: int
    dropped: int
    protection_age: datetime.timedelta | None


FIELDS: tuple[Field[Seen], ...] = tuple(
    attribute(each.name) for each in dataclasses.fields(Seen)
)


class ShowFreshness(command.ShowOne):
    """Tell by the exit code whether the last rounds and backups are fresh.

    0: they are. 1: a cycle or a round of retention is missed, a volume's
    last backup is too old, or a volume to protect has none. 2: nobody can
    tell, for the database does not answer or the configuration is wrong.
    Only the database is asked.
    """

    _code = UNKNOWN

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        for name, what, default in (
            (
                "cycle",
                "the last complete cycle",
                "3 times backup_service_period, at least 10min",
            ),
            (
                "retention",
                "the last complete round of retention",
                "3 times retention_service_period, at least 10min",
            ),
            (
                "protection",
                "the last backup of each volume, when that cycle ended,",
                "protection_tolerance times the longer of "
                "backup_min_interval and backup_service_period",
            ),
        ):
            parser.add_argument(
                f"--max-{name}-age",
                type=_length,
                metavar="DURATION",
                help=f"how old {what} may be, such as 1d12h (default: "
                f"{default})",
            )
        return parser

    def run(self, parsed_args: argparse.Namespace) -> int:
        """Show it; returns the exit code."""
        try:
            super().run(parsed_args)
        except errors.StaffelnError as error:
            self.staffeln.LOG.error(error)
            return UNKNOWN
        return self._code

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Read the row, and judge it."""
        limits = _changed(self.staffeln.doors.limits(), parsed_args)
        with self.staffeln.doors.store() as store:
            found = store.freshness()
        faults = freshness.faults(found, limits)
        self._code = STALE if faults else FRESH
        for fault in faults:
            self.staffeln.tell(f"Not fresh: {fault}.")
        seen = Seen(
            fresh=not faults,
            cycle_at=found.cycle_at,
            cycle_age=freshness.age(found.cycle_at, found.now),
            retention_at=found.retention_at,
            retention_age=freshness.age(found.retention_at, found.now),
            selected=found.selected,
            never_protected=found.never_protected,
            stale=found.stale,
            dropped=found.dropped,
            protection_age=freshness.protection_age(found),
        )
        return tuple(each.name for each in FIELDS), tuple(
            fields.cell(each, seen, parsed_args.formatter) for each in FIELDS
        )


def _changed(
    limits: freshness.Limits, parsed_args: argparse.Namespace
) -> freshness.Limits:
    """The limits with those that the command line gives."""
    given = {
        name: getattr(parsed_args, f"max_{name}_age")
        for name in ("cycle", "retention", "protection")
    }
    return dataclasses.replace(
        limits,
        **{name: value for name, value in given.items() if value is not None},
    )


def _length(text: str) -> datetime.timedelta:
    try:
        length = durations.parse(text)
    except errors.InvalidDurationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if length.calendar_months:
        raise argparse.ArgumentTypeError(
            "years and months have no fixed length; use weeks or days"
        )
    return length.fixed
