# SPDX-License-Identifier: Apache-2.0
"""Fields of what the services show: of the right kind, and storable.

What is wrong is told where it is read, with the item that has it; a
database would refuse it much later, and all that is written with it.
"""

from __future__ import annotations

import datetime
import sys
from collections.abc import Mapping

LONGEST_ID = 64
"""Characters; OpenStack's own have 32 or 36."""

LARGEST_SIZE = 2**31 - 1
"""GiB; what a column of 32 bits holds."""


def text(value: object) -> str:
    """A text that must be there."""
    if not isinstance(value, str) or not value:
        raise ValueError(f"{value!r} is not a text")
    return value


def shared(text: str) -> str:
    """A text that very many things have, kept once: a project, a status."""
    return sys.intern(text)


def identifier(value: object) -> str:
    """The id of something."""
    found = text(value)
    if len(found) > LONGEST_ID:
        raise ValueError(f"an id of {len(found)} characters")
    if not found.isprintable():
        raise ValueError(f"{found!r} is not an id")
    return found


def name(value: object) -> str:
    """A name; users need not give one."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError(f"the name {value!r} is not a text")
    return value


def size(value: object) -> int:
    """A size in GiB."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"the size {value!r} is not a number")
    if not 0 <= value <= LARGEST_SIZE:
        raise ValueError(f"there is no size of {value} GiB")
    return value


def moment(value: object) -> datetime.datetime:
    """A time: UTC without a zone; a service that names none means UTC."""
    found = datetime.datetime.fromisoformat(text(value))
    if found.tzinfo is not None:
        try:
            found = found.astimezone(datetime.UTC).replace(tzinfo=None)
        except OverflowError as error:
            raise ValueError(f"{value!r} is no time in UTC") from error
    return found


def texts(value: object) -> Mapping[str, str]:
    """Metadata: texts by name."""
    if not isinstance(value, dict) or not all(
        isinstance(part, str) for pair in value.items() for part in pair
    ):
        raise ValueError("metadata is not an object of texts")
    return value
