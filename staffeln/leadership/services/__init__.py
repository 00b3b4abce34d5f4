# SPDX-License-Identifier: Apache-2.0
"""One lock through each of tooz's drivers: taken, proved, given back.

tooz takes and frees locks alike everywhere, but asks its user to know of a
loss: where its drivers have no words for "is it still mine, and keep it",
the question is put to the client beneath, which is why attributes are used
here that tooz calls its own. All of it is tested with the real services.

Its heartbeat is not used: who holds the lock renews it, or does not.
"""

from __future__ import annotations

from staffeln.leadership.address import Address, check_library
from staffeln.leadership.services.base import Service, root_cause
from staffeln.leadership.services.databases import MySQL, PostgreSQL
from staffeln.leadership.services.etcd import Etcd
from staffeln.leadership.services.file import File
from staffeln.leadership.services.redis import Redis
from staffeln.leadership.services.zookeeper import ZooKeeper
from staffeln.leadership.settings import Settings

__all__ = ["Service", "expires", "make", "root_cause"]

_SERVICES: dict[str, type[Service]] = {
    "file": File,
    "etcd": Etcd,
    "redis": Redis,
    "zookeeper": ZooKeeper,
    "mysql": MySQL,
    "postgresql": PostgreSQL,
    "memcached": Service,
    "kubernetes": Service,
}


def expires(address: Address) -> bool:
    """Whether the service's locks expire when their holder is silent."""
    return _SERVICES[address.service].expires


def make(address: Address, holder: str, settings: Settings) -> Service:
    """The service at an address; nobody is asked yet.

    :raises ConfigurationError: its library is not installed.
    """
    check_library(address)
    return _SERVICES[address.service](address, holder, settings)
