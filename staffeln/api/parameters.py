# SPDX-License-Identifier: Apache-2.0
"""Parameters of a URL: each once, each known, each of its form."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib import parse

from werkzeug import exceptions

from staffeln.domain import guarding

LONGEST_QUERY = 1024
"""Characters of a whole query string, escapes and all."""
_MOST_FIELDS = 16
_ONE_WORD = re.compile(r"([a-z_]+)=([0-9a-zA-Z-]+)")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of a query string."""

    name: str
    description: str
    schema: Mapping[str, Any]
    """As OpenAPI has it."""
    canonical: Callable[[str], str | None]
    """The value as the handler gets it; None: it is of no such form."""
    required: bool = False


def read(query: str, known: tuple[Parameter, ...]) -> dict[str, str]:
    """The parameters of a query string, in their canonical form.

    :raises BadRequest: says what is wrong, and repeats nothing of it.
    """
    values: dict[str, str] = {}
    by_name = {each.name: each for each in known}
    for name, text in _fields(query):
        parameter = by_name.get(name)
        if parameter is None:
            raise exceptions.BadRequest("There is an unknown parameter.")
        if name in values:
            raise exceptions.BadRequest(f"{name} is given more than once.")
        value = parameter.canonical(text)
        if value is None:
            raise exceptions.BadRequest(f"{name} is not of its form.")
        values[name] = value
    for parameter in known:
        if parameter.required and parameter.name not in values:
            raise exceptions.BadRequest(f"{parameter.name} is missing.")
    return values


def _fields(query: str) -> list[tuple[str, str]]:
    if (plain := _ONE_WORD.fullmatch(query)) is not None:
        return [(plain[1], plain[2])]
    if not query:
        return []
    if len(query) > LONGEST_QUERY:
        raise exceptions.BadRequest("The query string is too long.")
    try:
        return parse.parse_qsl(
            query,
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:
        raise exceptions.BadRequest(
            "The query string cannot be read."
        ) from None


def _probe(text: str) -> str | None:
    return text if text in ("live", "ready") else None


BACKUP_ID = Parameter(
    name="backup_id",
    description=(
        "Cinder's id of the backup: a UUID of any case, with or without "
        "hyphens, braces or the prefix urn:uuid:."
    ),
    schema={
        "type": "string",
        "minLength": 32,
        "maxLength": guarding.LONGEST_ID,
        "format": "uuid",
    },
    canonical=guarding.canonical_id,
    required=True,
)
PROBE = Parameter(
    name="probe",
    description=(
        "live: whether the process answers at all. ready: whether checks "
        "can be answered; so it is without this parameter."
    ),
    schema={"type": "string", "enum": ["live", "ready"]},
    canonical=_probe,
)
