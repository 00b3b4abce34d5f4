# SPDX-License-Identifier: Apache-2.0
"""Who is told what a conductor does, as far as configured."""

import fixtures

from staffeln.tests.unit.wiring import configured
from staffeln.wiring import watching


class BusTest(configured.ConfiguredTestCase):
    def test_whether_somebody_wants_notifications(self) -> None:
        self.assertFalse(watching.has_bus(self.read()))
        for text, wanted in (("driver =", False), ("driver = log", True)):
            read = self.read(f"[oslo_messaging_notifications]\n{text}\n")
            self.assertEqual(wanted, watching.has_bus(read), text)
        self.useFixture(
            fixtures.EnvironmentVariable(
                "OS_OSLO_MESSAGING_NOTIFICATIONS__DRIVER", "log"
            )
        )
        self.assertTrue(watching.has_bus(self.read()))
