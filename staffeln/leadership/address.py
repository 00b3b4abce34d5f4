# SPDX-License-Identifier: Apache-2.0
"""``[coordination] backend_url``: which service, where, and what is wrong.

Nothing here asks anybody, and nothing that it says holds a password.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
from collections.abc import Mapping
from urllib import parse

from staffeln.domain import errors
from staffeln.leadership.settings import Settings

LONGEST_NAME = 64
"""Characters of a lock's name, as MariaDB takes them."""
FILE_NAME = "scheduler"

_NAME = re.compile(f"[a-z0-9.-]{{1,{LONGEST_NAME}}}")
_MEANING_IN_URLS = frozenset("?#%")
_SECRET_OPTIONS = frozenset(
    {"sentinel_password", "keyfile_password", "ssl_key_password"}
)
_IDENTITY_OPTIONS = ("db", "namespace", "sentinel")
"""Options that make another lock of it; all contenders give the same."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """What is known of a scheme without loading its driver."""

    service: str
    module: str = ""
    """The library that tooz's driver needs."""
    package: str = ""
    """What brings it, as pip knows it."""
    port: int | None = None
    needs_host: bool = True
    ttl_option: str = ""
    """The driver's own name for the lease's duration."""
    warning: str = ""


_ETCD = _Kind(
    service="etcd",
    module="etcd3gw",
    package="staffeln[etcd]",
    port=2379,
    ttl_option="lock_timeout",
)
_REDIS = _Kind(
    service="redis",
    module="redis",
    package="staffeln[redis]",
    port=6379,
    ttl_option="lock_timeout",
)
_GOOD = "use etcd, ZooKeeper or a Kubernetes Lease instead"

_KINDS: Mapping[str, _Kind] = {
    "file": _Kind(service="file", needs_host=False),
    "etcd3+http": _ETCD,
    "etcd3+https": _ETCD,
    "redis": _REDIS,
    "rediss": _REDIS,
    "zookeeper": _Kind(
        service="zookeeper",
        module="kazoo",
        package="staffeln[zookeeper]",
        port=2181,
        ttl_option="timeout",
    ),
    "mysql": _Kind(
        service="mysql", module="pymysql", package="PyMySQL", port=3306
    ),
    "postgresql": _Kind(
        service="postgresql",
        module="psycopg2",
        package="staffeln[postgresql]",
        port=5432,
        warning="tooz gives its driver up, and its lock's key has 16 bits, "
        "so that locks of others in the same database can take its place; "
        + _GOOD,
    ),
    "memcached": _Kind(
        service="memcached",
        module="pymemcache",
        package="pymemcache",
        port=11211,
        ttl_option="lock_timeout",
        warning="a cache forgets locks when it is full or restarted, so "
        "that two conductors take office; " + _GOOD,
    ),
    "kubernetes": _Kind(
        service="kubernetes",
        module="sherlock",
        package="tooz[kubernetes]",
        needs_host=False,
        warning="tooz gives this driver up, and its locks are not renewed: "
        "each is lost after 60 s; leave backend_url empty to use a "
        "Kubernetes Lease",
    ),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A URL that was looked at."""

    kind: _Kind
    url: str = dataclasses.field(repr=False)
    """As tooz has to get it."""
    path: str
    hosts: tuple[str, ...]
    options: Mapping[str, str] = dataclasses.field(repr=False)
    secrets: tuple[str, ...] = dataclasses.field(repr=False)
    lock_name: str = ""
    """In every service that several hosts share."""

    @property
    def service(self) -> str:
        """The service's name in one word."""
        return self.kind.service

    @property
    def description(self) -> str:
        """The service and the lock in words, the same for all contenders."""
        if self.service == "file":
            return f"file lock {os.path.join(self.path, FILE_NAME)}"
        where = f" at {','.join(self.hosts)}" if self.hosts else ""
        which = ", ".join(
            f"{name}={self.options[name]}"
            for name in _IDENTITY_OPTIONS
            if name in self.options
        )
        return f"{self.service} lock {self.lock_name}{where}" + (
            f" ({which})" if which else ""
        )

    def check_name(self) -> None:
        """See that the lock's name is one for every service.

        :raises ConfigurationError: it is not.
        """
        if self.service == "file" or _NAME.fullmatch(self.lock_name):
            return
        raise errors.ConfigurationError(
            f"[coordination] lease_name = {self.lock_name[:80]!r}: must be 1 "
            f"to {LONGEST_NAME} lower-case letters, digits, - and ."
        )

    def without_secrets(self, text: str) -> str:
        """A text of somebody else in one line, with passwords struck out."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        words = " ".join(text.split())
        return "".join(x if x.isprintable() else "?" for x in words)

    def check_duration(self, lease_duration: int) -> None:
        """See that no option of the URL contradicts ``lease_duration``.

        :raises ConfigurationError: one does.
        """
        name = self.kind.ttl_option
        given = self.options.get(name, "")
        if given and given != str(lease_duration):
            raise _refused(
                f"its option {name}={given} contradicts lease_duration "
                f"({lease_duration}), which sets it: leave it out"
            )


def parse_url(url: str, lock_name: str = "") -> Address:
    """Take a URL apart.

    :param lock_name: what the lock is called where several hosts share it.

    :raises ConfigurationError: it cannot be used, in one line.
    """
    try:
        parts = parse.urlsplit(url)
    except ValueError:
        # What the library says may quote the part with the password.
        raise _refused("it is not a URL") from None
    kind = _KINDS.get(parts.scheme)
    if kind is None:
        raise _refused(
            f"{parts.scheme or 'no scheme'} is not supported; the schemes "
            f"are {', '.join(_KINDS)}"
        )
    if kind.service == "file" and not is_plain_path(
        url.removeprefix("file://")
    ):
        raise _refused(
            "after file:// it must be an absolute path without ?, # and %"
        )
    if kind.needs_host and "@" not in parts.netloc and "@" in url:
        # Else the password's beginning would be taken for a host.
        raise _refused("user and password cannot hold /, ? or #")
    options = {
        name: values[-1]
        for name, values in parse.parse_qs(parts.query).items()
    }
    return Address(
        kind=kind,
        url=_for_tooz(parts),
        path=parts.path,
        hosts=_hosts(parts, kind),
        options=options,
        secrets=_secrets(parts, options),
        lock_name=lock_name,
    )


def check(url: str, settings: Settings) -> None:
    """Look at a URL without asking anybody.

    :raises ConfigurationError: it cannot work, in one line.
    """
    address = parse_url(url, settings.lease_name)
    address.check_name()
    address.check_duration(settings.lease_duration)
    check_library(address)


def check_library(address: Address) -> None:
    """See that what the driver needs is installed.

    :raises ConfigurationError: it is not; names the package.
    """
    kind = address.kind
    if kind.module and importlib.util.find_spec(kind.module) is None:
        raise _refused(
            f"{kind.service} needs the Python library {kind.module}, which "
            f"is not installed: pip install '{kind.package}'"
        )


def warning(url: str) -> str | None:
    """Why a URL had better not be used; None: nothing is known.

    :raises ConfigurationError: it cannot be used at all.
    """
    kind = parse_url(url).kind
    if not kind.warning:
        return None
    return f"[coordination] backend_url: {kind.service}: {kind.warning}"


def is_plain_path(path: str) -> bool:
    """Whether a path can be part of a URL as it stands."""
    return (
        os.path.isabs(path)
        and path.isprintable()
        and not set(path) & _MEANING_IN_URLS
    )


def _for_tooz(parts: parse.SplitResult) -> str:
    """The URL with the one scheme changed that tooz does not know."""
    if parts.scheme != "rediss":
        return parts.geturl()
    query = "&".join(filter(None, (parts.query, "ssl=true")))
    return parts._replace(scheme="redis", query=query).geturl()


def _hosts(parts: parse.SplitResult, kind: _Kind) -> tuple[str, ...]:
    """HOST:PORT of each; only ZooKeeper's driver takes several."""
    if not kind.needs_host:
        return ()
    login, _, netloc = parts.netloc.rpartition("@")
    texts = [netloc]
    if kind.service == "zookeeper":
        if "," in login:
            raise _refused(
                "user and password, which cannot hold a comma, stand once, "
                "before the first host"
            )
        query = parse.parse_qs(parts.query)
        texts = [*netloc.split(","), *query.get("hosts", ())]
    return tuple(sorted(_host(each, kind) for each in texts))


def _host(text: str, kind: _Kind) -> str:
    try:
        parts = parse.urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _refused("the port is not a number up to 65535") from None
    if not host or parts.path:
        raise _refused("the host is missing")
    if port == 0:
        raise _refused("the port is not a number from 1 on")
    if not all(x.isprintable() and not x.isspace() for x in host):
        raise _refused("the host's name is not one")
    shown = f"[{host}]" if ":" in host else host
    return f"{shown}:{port or kind.port}"


def _secrets(
    parts: parse.SplitResult, options: Mapping[str, str]
) -> tuple[str, ...]:
    found = {parts.password or ""}
    found |= {options[name] for name in _SECRET_OPTIONS & options.keys()}
    found |= {parse.unquote(each) for each in found}
    # Longest first: one may be part of another.
    return tuple(sorted(filter(None, found), key=len, reverse=True))


def _refused(why: str) -> errors.ConfigurationError:
    return errors.ConfigurationError(f"[coordination] backend_url: {why}")
