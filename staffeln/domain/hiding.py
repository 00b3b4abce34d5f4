# SPDX-License-Identifier: Apache-2.0
"""What tenants are not shown: how the cloud behind their project is built.

Reasons carry what services said, and services name hosts, addresses and
paths of theirs. Rather too much is hidden than too little: operators have
the log.
"""

from __future__ import annotations

import ipaddress
import re

ADDRESS = "[address]"
HOST = "[host]"
PATH = "[path]"

LONGEST_TEXT = 2000
"""Characters of a reason that are read; the rest is left out."""

_REQUEST = re.compile(
    r",? ?\b(?:GET|HEAD|POST|PUT|PATCH|DELETE) /[^\s)]*(?=\))"
)
"""What one of our own errors says at its end, in parentheses."""

_EMPTY = re.compile(r" ?\(\)")

_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)\]]*")

_ISCSI = re.compile(r"\b(?:iqn|nqn|eui|naa)\.[^\s'\",;)\]]+", re.IGNORECASE)

_BACKEND = re.compile(r"[\w.-]+@[\w.-]+(?:#[^\s'\",;)\]]+)?")
"""``host@backend#pool``, and e-mail addresses."""

_EXPORT = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[\w.-]+):(?=/)")
"""The host of ``host:/export``."""

_PATH = re.compile(r"(?<![\w/.\]])~?/(?:[^\s'\"<>,;:()\[\]]+)")

_NUMBERS = re.compile(
    r"(?<![\w:.-])\[?[0-9A-Fa-f:.]*[:.][0-9A-Fa-f:.]*[0-9A-Fa-f:]"
    r"(?:%\w+)?\]?(?::\d+|/\d+)?(?![\w:])"
)
"""What might be an IP address, with its port or the length of its prefix."""

_PORT = re.compile(r"(?:\]?:\d+|/\d+)$")

_DOTTED = re.compile(
    r"(?<![\w@/.-])[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
    r"\.[A-Za-z]{2,}(?::\d+)?(?![\w-])"
)
"""A fully qualified name. What looks like one may be a class of Python's."""

_WITH_PORT = re.compile(
    r"(?<![\w.:-])[A-Za-z][\w-]*:(?:\d{4,5}|443|80)(?![\w:.-])"
)

_NAMED_HOST = re.compile(
    r"\b((?:hosts?|hostname|nodes?|compute|worker)\b\s*"
    r"(?:[=:]\s*u?['\"]?|u?['\"]|(?=[\w-]*[\d-])))([A-Za-z0-9][\w.-]*)",
    re.IGNORECASE,
)
"""A short name, where the words say that it is a host's."""


def for_tenants(text: str) -> str:
    """The text without hosts, addresses, URLs, paths and our own requests.

    What was hidden is named in brackets; request ids stay, so that an
    operator finds the rest.
    """
    text = text[:LONGEST_TEXT]
    text = _EMPTY.sub("", _REQUEST.sub("", text)).replace("(, ", "(")
    text = _URL.sub(ADDRESS, text)
    text = _ISCSI.sub(ADDRESS, text)
    text = _BACKEND.sub(HOST, text)
    text = _EXPORT.sub("", text)
    text = _PATH.sub(PATH, text)
    text = _NUMBERS.sub(_hide_address, text)
    text = _DOTTED.sub(HOST, text)
    text = _WITH_PORT.sub(HOST, text)
    return _NAMED_HOST.sub(rf"\1{HOST}", text)


def _hide_address(found: re.Match[str]) -> str:
    """Times and versions look alike and stay."""
    shown = found.group()
    for candidate in (shown, _PORT.sub("", shown)):
        try:
            ipaddress.ip_address(candidate.strip("[]").partition("/")[0])
        except ValueError:
            continue
        return ADDRESS
    return shown
