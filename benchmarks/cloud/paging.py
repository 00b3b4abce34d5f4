# SPDX-License-Identifier: Apache-2.0
"""Pages of lists: after a marker, at most so many, with a link to the next."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Protocol, TypeVar

from benchmarks.cloud.exchange import Answer, bad_request

_SORTED = ("created_at:desc", "")


class Row(Protocol):
    """What a list has."""

    @property
    def id(self) -> str:
        """Its id, which serves as a marker."""


R = TypeVar("R", bound=Row)


def check_params(params: Mapping[str, str], known: Iterable[str]) -> None:
    """:raises Fault: they ask for what is not simulated."""
    unknown = sorted(params.keys() - known)
    if unknown:
        raise bad_request(f"Invalid filters {', '.join(unknown)} are found.")
    if params.get("sort", "") not in _SORTED:
        raise bad_request("only the order of creation is simulated")


def number(params: Mapping[str, str], name: str, default: int) -> int:
    """A parameter that is a number, 0 or more.

    :raises Fault: it is none.
    """
    text = params.get(name, str(default))
    if not text.isdecimal():
        raise bad_request(f"{name} must be an integer, 0 or more")
    return int(text)


def limit(params: Mapping[str, str], largest: int) -> int:
    """How many rows a page may have."""
    return min(number(params, "limit", largest), largest)


def true(text: str | None) -> bool:
    """Whether a parameter means yes."""
    return (text or "").lower() in {"1", "true", "yes", "on", "t", "y"}


def take(rows: Iterable[R], offset: int, most: int) -> list[R]:
    """The rows of one page."""
    return list(itertools.islice(rows, offset, offset + most))


def page(
    key: str,
    texts: list[str],
    next_link: str | None,
    count: int | None = None,
) -> Answer:
    """An answer with a page's rows.

    :param next_link: the URL of the next page; None: there is none.
    """
    parts = [f'{{"{key}": [', ", ".join(texts), "]"]
    if next_link is not None:
        name = "backup" if key == "backups" else key
        link = f'[{{"rel": "next", "href": "{next_link}"}}]'
        parts.append(f', "{name}_links": {link}')
    if count is not None:
        parts.append(f', "count": {count}')
    parts.append("}")
    return Answer(200, "".join(parts).encode())
