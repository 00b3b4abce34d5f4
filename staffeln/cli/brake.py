# SPDX-License-Identifier: Apache-2.0
"""``staffeln pause``, ``staffeln resume`` and ``staffeln paused``."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from typing import Any

from staffeln import ports
from staffeln.cli import command, fields
from staffeln.cli.fields import Field, attribute
from staffeln.domain import errors, model, task

KINDS = {"backups": task.Kind.BACKUP, "deletes": task.Kind.DELETE}
"""What can be paused, as operators call it."""

_NAMES = {kind: name for name, kind in KINDS.items()}
_ID = re.compile("[!-~]{1,64}")

FIELDS: tuple[Field[model.Brake], ...] = (
    Field(name="paused", value=lambda each: _NAMES[each.kind]),
    Field(
        name="project_id",
        value=lambda each: each.project_id or None,
        text=lambda each: each.project_id or "all projects",
    ),
    attribute("since"),
)


class _Brakes(command.Lister):
    """Shows what is paused after it was done."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        """Its options."""
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "what",
            choices=sorted(KINDS),
            help="backups that are to be made, or deletes of what has expired "
            "or is unwanted",
        )
        parser.add_argument(
            "--project",
            metavar="ID",
            type=_project_id,
            help="only those of this project",
        )
        return parser

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Do it, and list what is paused now."""
        kind = KINDS[parsed_args.what]
        project_id = parsed_args.project or ""
        with self.staffeln.doors.store() as store:
            if project_id and not _is_known(store, project_id):
                self.staffeln.tell(
                    f"Staffeln has nothing of a project {project_id} yet: is "
                    "that its id?"
                )
            self.change(store, kind, project_id)
            found = store.brakes()
        return fields.listed(FIELDS, FIELDS, found, parsed_args)

    def change(
        self, store: ports.Store, kind: task.Kind, project_id: str
    ) -> None:
        """What the command does."""
        raise NotImplementedError


class Pause(_Brakes):
    """Let all conductors begin no more backups, or no more deletes.

    Each conductor obeys from its next round on (within task_poll_period),
    also after restarts, until it is resumed. What Cinder is at work on goes
    on. Planning goes on as well: what is planned waits.
    """

    def change(
        self, store: ports.Store, kind: task.Kind, project_id: str
    ) -> None:
        """Pause it."""
        if not store.pause(kind, project_id):
            self.staffeln.tell("It was paused already.")


class Resume(_Brakes):
    """Undo a pause: the one of all projects, or the one of a project."""

    def change(
        self, store: ports.Store, kind: task.Kind, project_id: str
    ) -> None:
        """Resume it.

        :raises StaffelnError: it was not paused.
        """
        if not store.resume(kind, project_id):
            whose = f"project {project_id}" if project_id else "all projects"
            raise errors.StaffelnError(
                f"{_NAMES[kind]} of {whose} are not paused; staffeln paused "
                "lists what is"
            )
        rest = [each for each in store.brakes() if each.kind is kind]
        if project_id and any(not each.project_id for each in rest):
            self.staffeln.tell("Those of all projects are paused still.")
        elif rest:
            self.staffeln.tell(
                f"Still paused for {len(rest)} project(s), see below."
            )


class ListPaused(command.Lister):
    """List what is paused."""

    def take_action(
        self, parsed_args: argparse.Namespace
    ) -> tuple[Sequence[str], Iterable[Any]]:
        """Read the brakes."""
        with self.staffeln.doors.store() as store:
            found = store.brakes()
        if not found:
            self.staffeln.tell("Nothing is paused.")
        return fields.listed(FIELDS, FIELDS, found, parsed_args)


def _project_id(text: str) -> str:
    # MariaDB would take a blank for no id at all.
    if not _ID.fullmatch(text):
        raise argparse.ArgumentTypeError("is not the id of a project")
    return text


def _is_known(store: ports.Store, project_id: str) -> bool:
    return bool(
        store.tasks(project_id=project_id, limit=1)
        or store.backups(project_id=project_id, limit=1)
    )
