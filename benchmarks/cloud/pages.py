# SPDX-License-Identifier: Apache-2.0
"""Pages that are kept as bytes until something in their list changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable

from benchmarks.cloud.exchange import Answer

_MOST = 512 << 20
"""Bytes of all pages that are kept of one list."""


class Pages:
    """The pages of one list."""

    def __init__(self) -> None:
        self._known: dict[Hashable, Answer] = {}
        self._version: object = None
        self._size = 0

    def get(
        self, key: Hashable, version: object, make: Callable[[], Answer]
    ) -> Answer:
        """A page.

        :param version: another one when the list may have changed.
        """
        if version != self._version:
            self._known.clear()
            self._version = version
            self._size = 0
        found = self._known.get(key)
        if found is None:
            found = make()
            if self._size + len(found.body) <= _MOST:
                self._known[key] = found
                self._size += len(found.body)
        return found
