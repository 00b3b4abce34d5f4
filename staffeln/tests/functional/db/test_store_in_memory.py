# SPDX-License-Identifier: Apache-2.0
"""The fake that the workflow's tests use keeps the same contract."""

from staffeln import ports
from staffeln.tests.fakes.memory_store import MemoryStore
from staffeln.tests.functional.db import suite


class MemoryStoreTest(suite.StoreSuite):
    def new_store(self) -> ports.Store:
        self.memory = MemoryStore()
        return self.memory

    def mark_reported(self, task_id: str) -> None:
        self.memory.mark_reported(task_id)
