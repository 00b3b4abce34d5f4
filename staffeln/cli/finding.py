# SPDX-License-Identifier: Apache-2.0
"""Finding the one thing that an id, or the beginning of one, names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

from staffeln.domain import errors


class HasId(Protocol):
    """Anything with an id."""

    @property
    def id(self) -> str: ...


T = TypeVar("T", bound=HasId)


def one(kind: str, wanted: str, things: Sequence[T]) -> T:
    """The thing whose id begins so.

    :raises StaffelnError: none does, or several do.
    """
    found = [each for each in things if each.id.startswith(wanted)]
    exact = [each for each in found if each.id == wanted]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        raise errors.StaffelnError(
            f"{len(found)} {kind}s have an id that begins with {wanted!r}"
        )
    raise errors.StaffelnError(f"no {kind} has the id {wanted!r}")
