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
SECRET = "[secret]"  # nosec

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

_SECRET = re.compile(
    r"((?<![\w-])[\w-]*(?:passw(?:or)?d|passphrase|pwd|secret|token|"
    r"api[_-]?key|access[_-]?key|credentials?)[\w-]*['\"]?\s*[=:]\s*)"
    r"(?:u?'[^']*'?|u?\"[^\"]*\"?|[^\s,;)]+)",
    re.IGNORECASE,
)
"""A value whose name says that nobody is to know it."""

_BEARER = re.compile(
    r"\b((?:bearer|basic)\s+)[\w+/=.-]{8,}|\bgAAAA[\w=-]{16,}", re.IGNORECASE
)

_SHARE = re.compile(r"(?<!\\)\\{2,}[\w.$-]+(?:\\+[^\s'\"<>,;:()\[\]\\]+)*")
r"""``\\host\share``, also with its marks doubled."""

_HOSTS = (
    r"hosts?|hostname|nodes?|compute|workers?|servers?|services?|backends?|"
    r"hypervisors?|storage|arrays?|filers?|gateways?|agents?"
)

_SAID_HOST = re.compile(
    rf"\b(?P<before>(?:{_HOSTS})\b['\"]?\s*(?:=\s*u?['\"]?|:?\s*u?['\"]|"
    r"\s(?:named|called)\s+)|\b(?:host|hostname|node)\s*:\s*)"
    r"(?P<name>[A-Za-z0-9][\w.-]*)",
    re.IGNORECASE,
)
"""A short name, where the words say that it is a host's."""

_REACHED = re.compile(
    r"\b(?P<before>(?:reach(?:ing)?|contact(?:ing)?|connect(?:ing)? to)\s+"
    r"(?:(?:the\s+)?(?:host|node|server|service|backend)\s+)?['\"]?)"
    r"(?P<name>[A-Za-z0-9][\w.-]*)",
    re.IGNORECASE,
)
"""What an answer was wanted from: it may be any word."""

_HYPHENATED = re.compile(
    rf"\b(?P<before>(?:{_HOSTS}|on)\b:?\s+)"
    r"(?P<name>[A-Za-z0-9]\w*(?:[.-]\w+)*-\w+(?:[.-]\w+)*)",
    re.IGNORECASE,
)
"""A name with a hyphen, where a host's may stand."""

_NUMBERED = re.compile(
    r"(?<![\w.@/\\\[-])(?P<before>)"
    r"(?P<name>[A-Za-z](?=[\w.-]*\d)\w*(?:[.-]+\w+)*)"
)
"""A name with a digit: most hosts have one, and few words do."""

_STAYS = re.compile(
    # Ids, also with what they are of in front, and ours of requests.
    r"(?:[a-z]+[-_])?(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
    r"|[0-9a-f]{32,})"
    # Lengths of time, sizes, dates and versions.
    r"|\d+(?:\.\d+)?(?:[a-z]{1,3}\d+)*[a-z]{0,3}|\d{4}-\d\d-\d\d(?:t[\d.z]+)?"
    r"|(?:v|version)[.-]?\d+(?:\.\d+)*"
    # Protocols, formats and numbers of errors.
    r"|(?:https?|tlsv?|sslv?|ipv|nfsv?|smbv?|sha|md|utf|base|crc|raid|ext"
    r"|errno|error|code|status|rfc|cve|python)[-_.]?\d+(?:[.-]\d+)*"
    r"|s3|x86(?:_64)?|lz4"
    # Words of OpenStack, of ours, and those that are no names.
    r"|(?:cinder|nova)-(?:api|backup|compute|conductor|scheduler|volume)"
    r"|block-storage|in-use|read-only|non-\w+|up-to-date"
    r"|a|an|any|its|it|the|this|that|all|of|is|are|was|one|no|and|or|down|up"
    r"|not|server|service|host|node|backend|cinder|nova|keystone|openstack"
    r"|volume|backup|snapshot",
    re.IGNORECASE,
)
"""What stands where a host's name might, and is shown."""


def for_tenants(text: str) -> str:
    """The text without secrets, hosts, addresses, paths and our requests.

    What was hidden is named in brackets; request ids stay, so that an
    operator finds the rest.
    """
    text = text[:LONGEST_TEXT]
    text = _EMPTY.sub("", _REQUEST.sub("", text)).replace("(, ", "(")
    text = _SECRET.sub(rf"\1{SECRET}", text)
    text = _BEARER.sub(lambda found: f"{found[1] or ''}{SECRET}", text)
    text = _URL.sub(ADDRESS, text)
    text = _ISCSI.sub(ADDRESS, text)
    text = _BACKEND.sub(HOST, text)
    text = _EXPORT.sub("", text)
    text = _SHARE.sub(PATH, text)
    text = _PATH.sub(PATH, text)
    text = _NUMBERS.sub(_hide_address, text)
    text = _DOTTED.sub(HOST, text)
    text = _WITH_PORT.sub(HOST, text)
    for names in (_SAID_HOST, _REACHED, _HYPHENATED, _NUMBERED):
        text = names.sub(_hide_name, text)
    return text


def is_no_host(name: str) -> bool:
    """Whether a word is an id, a measure or a common one, and may stay."""
    return _STAYS.fullmatch(name) is not None


def _hide_name(found: re.Match[str]) -> str:
    """Ids, lengths of time and words that are no names stay."""
    name = found["name"].rstrip(".-_")
    if is_no_host(name):
        return found.group()
    return f"{found['before']}{HOST}{found['name'][len(name) :]}"


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
