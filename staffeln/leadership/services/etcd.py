# SPDX-License-Identifier: Apache-2.0
"""The lock in etcd."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

from staffeln.leadership.address import Address
from staffeln.leadership.services.base import Service
from staffeln.leadership.settings import Settings


class Etcd(Service):
    """A key under a lease, by etcd's HTTP gateway.

    Each try that tooz makes costs a lease, so those who wait only read.
    """

    reconnects = True

    def __init__(
        self, address: Address, holder: str, settings: Settings
    ) -> None:
        super().__init__(address, holder, settings)
        self._client = self._driver.client
        if "timeout" not in address.options:
            self._client.timeout = self._limit

    def connect(self) -> None:
        self._read(self._driver.get_lock(self.lock_name))
        self._connected = True

    def _take(self) -> bool:
        lock = self._driver.get_lock(self.lock_name)
        if self._read(lock):
            # Ours, if an answer to us was lost.
            return self._lock is not None and self.prove()
        self._lock = lock
        if lock.acquire(blocking=False):
            return True
        self._lock = None
        self._revoke(lock)
        return False

    def prove(self) -> bool:
        # The key is read after the lease began anew: found under it, it
        # lives for the whole duration from then on.
        lease = getattr(self._lock, "_lease", None)
        if lease is None or lease.refresh() <= 0:
            return False
        value = base64.b64decode(self._lock._uuid)
        return self._read(self._lock) == [(value, int(lease.id))]

    def give_back(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
            self._revoke(lock)

    def disconnect(self) -> None:
        self._client.session.close()

    def _read(self, lock: Any) -> list[tuple[bytes, int]]:
        """The value under the lock's key and its lease, if there is one."""
        found = self._client.get(lock._key, metadata=True)
        return [(value, int(about.get("lease", 0))) for value, about in found]

    def _revoke(self, lock: Any) -> None:
        from etcd3gw import exceptions

        # It goes by itself later, and has gone where it had expired.
        with contextlib.suppress(AttributeError, exceptions.Etcd3Exception):
            lock._lease.revoke()
