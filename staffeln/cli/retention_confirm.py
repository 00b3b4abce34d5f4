# SPDX-License-Identifier: Apache-2.0
"""``staffeln retention confirm``."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import Any

from staffeln.cli import command, fields
from staffeln.cli.fields import Field, attribute
from staffeln.domain import errors, model

FIELDS: tuple[Field[model.Breaker], ...] = (
    attribute("would"),
    attribute("total"),
    attribute("tripped_at"),
    attribute("confirmed_at"),
)


class ConfirmRetention(command.ShowOne):
    """Agree to the round of retention that waits for it.

    A round that would delete or forget more than retention_max_fraction of
    all managed backups does nothing and waits. This lets the next round do
    so, within a day and up to a tenth more backups than are shown: look at
    staffeln plan --action delete first.
    """

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Note the yes, and show to what.

        :raises StaffelnError: no round waits.
        """
        with self.staffeln.doors.store() as store:
            breaker = store.confirm_breaker()
        if breaker is None:
            raise errors.StaffelnError(
                "no round of retention waits to be confirmed"
            )
        self.staffeln.tell(f"{breaker.in_words()}.")
        return tuple(each.name for each in FIELDS), tuple(
            fields.cell(each, breaker, parsed_args.formatter)
            for each in FIELDS
        )
