# SPDX-License-Identifier: Apache-2.0
"""The body of a policy check, in both content types of oslo.policy.

It holds the user's credentials: nothing of it goes anywhere but to the
rules, and of it only the target.
"""

from __future__ import annotations

import json
from typing import Any
from urllib import parse

from staffeln.domain import checking, guarding

FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
DEEPEST = 32
"""Objects and lists that may be in each other."""
_MOST_FIELDS = 16


class UnreadableError(Exception):
    """Something is said of the target, and nobody knows what."""


def target(
    body: bytes, content_type: str, encoding: str
) -> checking.DeletionTarget | None:
    """What a body says of the backup; None: it says nothing of it.

    :param content_type: the header; what follows a semicolon is not read.
    :param encoding: the header Content-Encoding.
    :raises UnreadableError: nobody knows what it says.
    """
    if not body:
        return None
    kind = content_type.partition(";")[0].strip().lower()
    if encoding.strip().lower() not in ("", "identity"):
        raise UnreadableError
    try:
        if kind == FORM:
            return _of_form(body.decode())
        if kind == JSON:
            return _of_json(body.decode())
    except (ValueError, RecursionError):
        # Their texts may quote the body: they end here.
        raise UnreadableError from None
    raise UnreadableError


def _of_form(body: str) -> checking.DeletionTarget | None:
    fields = parse.parse_qsl(
        body,
        keep_blank_values=True,
        strict_parsing=True,
        errors="strict",
        max_num_fields=_MOST_FIELDS,
    )
    texts = [text for name, text in fields if name == "target"]
    if not texts:
        return None
    if len(texts) > 1:
        raise ValueError("several targets")
    return guarding.target_of(_loads(texts[0]))


def _of_json(body: str) -> checking.DeletionTarget | None:
    said = _loads(body)
    if not isinstance(said, dict):
        raise ValueError("no object")
    if "target" not in said:
        return None
    return guarding.target_of(said["target"])


def _loads(text: str) -> Any:
    """A JSON text whose meaning all readers agree on.

    :raises ValueError: it is none, or nested too deep.
    """
    found = json.loads(
        text, object_pairs_hook=_object, parse_constant=_no_number
    )
    if text.count("{") + text.count("[") > DEEPEST:
        _look_deep(found)
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there more than once")
    return found


def _no_number(_name: str) -> None:
    raise ValueError("not a number of JSON")


def _look_deep(found: Any) -> None:
    level = [found]
    for _ in range(DEEPEST + 1):
        level = [
            below
            for each in level
            if isinstance(each, dict | list)
            for below in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise ValueError("nested too deep")
