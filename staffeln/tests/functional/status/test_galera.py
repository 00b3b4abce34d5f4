# SPDX-License-Identifier: Apache-2.0
"""The doctor of a deployment whose database is a Galera cluster."""

from __future__ import annotations

import uuid

from staffeln.tests.functional.db import databases
from staffeln.tests.functional.status import clinic
from staffeln.tests.servers import galera


class GaleraFaultTest(clinic.Clinic):
    def new_url(self) -> str:
        cluster, name = galera.shared(), f"test_{uuid.uuid4().hex}"
        cluster.create(name)
        cluster.catch_up()
        self.options["database"] = {
            "mysql_wsrep_sync_wait": databases.SYNC_WAIT
        }
        return cluster.url(name, 0)

    def test_nodes_that_do_not_wait_for_each_other(self) -> None:
        self.assertEqual("ok", self.healthy["result"], str(self.healthy))
        for wait in (1, 0):
            self.configure(database={"mysql_wsrep_sync_wait": wait})
            found = self.only_bad("galera", "no-sync-wait", "warning")
            self.assertIn(f"wsrep_sync_wait is {wait}", found["what"])
