# SPDX-License-Identifier: Apache-2.0
"""The fake that the API's tests use keeps the same contract."""

from staffeln import ports
from staffeln.tests.fakes.memory_lookup import MemoryLookup
from staffeln.tests.fakes.memory_store import MemoryStore
from staffeln.tests.functional.api import lookup_suite


class MemoryLookupTest(lookup_suite.LookupSuite):
    def new_store(self) -> ports.Store:
        return MemoryStore()

    def new_lookup(self) -> ports.Lookup:
        return MemoryLookup(self.store)
