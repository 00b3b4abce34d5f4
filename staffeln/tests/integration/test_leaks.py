# SPDX-License-Identifier: Apache-2.0
"""The search for secrets reads what the services of the cloud log."""

from __future__ import annotations

from staffeln.tests import leaks
from staffeln.tests.integration import base


class LogsOfTheCloudTest(base.IntegrationTestCase):
    def test_a_secret_in_a_request_is_found(self) -> None:
        """So that finding none, after every test here, means something."""
        secret = f"secret-of-{self.key}"
        base.cloud_logs().more()
        storage = self.sandbox.admin.block_storage
        storage.get("/volumes", params={"name": secret}).raise_for_status()
        told = leaks.found(base.cloud_logs().more(), [secret])
        self.assertRegex("\n".join(told), "^cinder.log from byte [0-9]+, line")
