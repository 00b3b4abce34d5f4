# SPDX-License-Identifier: Apache-2.0
"""The fields of a managed backup."""

from __future__ import annotations

import dataclasses
import datetime

from staffeln.cli import layout, words
from staffeln.cli.fields import Field, attribute
from staffeln.domain import model

_NAME = layout.Fitting(least=8)
_WIDE_NAME = layout.Fitting(least=8, from_width=100)
_WIDE = layout.Fitting(from_width=100)
_WIDER = layout.Fitting(from_width=150)


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """A backup at a time."""

    backup: model.Backup
    now: datetime.datetime

    @property
    def age(self) -> datetime.timedelta:
        """How long ago Cinder began it."""
        return self.now - self.backup.created_at

    @property
    def mode(self) -> str | None:
        """Full or incremental, as Cinder shows it; None: nobody knows."""
        if self.backup.incremental is None:
            return None
        return "incremental" if self.backup.incremental else "full"


def _of_backup(name: str) -> Field[Seen]:
    return Field(name=name, value=lambda seen: getattr(seen.backup, name))


ALL: tuple[Field[Seen], ...] = (
    *(
        attribute("mode")
        if each.name == "incremental"
        else _of_backup(each.name)
        for each in dataclasses.fields(model.Backup)
        if each.name != "reason"
    ),
    attribute("age"),
    _of_backup("reason"),
)
"""Every field; sizes in GiB, lengths of time in seconds."""


def _volume(seen: Seen) -> str:
    """The volume's name; the beginning of its id where it has none."""
    row = seen.backup
    return words.plain(row.volume_name or f"({row.volume_id[:8]})")


BRIEF: tuple[Field[Seen], ...] = (
    _of_backup("id"),
    Field(
        name="server",
        value=lambda seen: seen.backup.server_name,
        fitting=_WIDE_NAME,
    ),
    Field(
        name="volume",
        value=lambda seen: seen.backup.volume_name,
        text=_volume,
        fitting=_NAME,
    ),
    attribute("mode", fitting=_WIDE),
    Field(
        name="size",
        value=lambda seen: seen.backup.size,
        text=lambda seen: f"{seen.backup.size} GiB",
        fitting=_WIDE,
    ),
    _of_backup("state"),
    attribute("age"),
    Field(
        name="expires_at",
        value=lambda seen: seen.backup.expires_at,
        fitting=_WIDER,
    ),
    Field(
        name="created_at",
        value=lambda seen: seen.backup.created_at,
        fitting=_WIDER,
    ),
)
"""What a list shows to people."""
