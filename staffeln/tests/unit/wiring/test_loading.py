# SPDX-License-Identifier: Apache-2.0
"""What a program does not use it does not load."""

import pkgutil
import subprocess
import sys

from staffeln import wiring
from staffeln.tests import base

ADAPTERS = {
    "cotyledon",
    "flask",
    "keystoneauth1",
    "kubernetes",
    "openstack",
    "oslo_db",
    "oslo_messaging",
    "oslo_service",
    "prometheus_client",
    "smtplib",
    "sqlalchemy",
    "staffeln.api",
    "staffeln.cloud",
    "staffeln.conductor",
    "staffeln.db",
    "staffeln.engines",
    "staffeln.leadership",
    "staffeln.metrics",
    "staffeln.notify",
    "staffeln.report",
    "tooz",
}


class LoadingTest(base.TestCase):
    def test_no_module_loads_an_adapter(self) -> None:
        modules = [
            f"{wiring.__name__}.{each.name}"
            for each in pkgutil.iter_modules(wiring.__path__)
        ]
        self.assertIn("staffeln.wiring.conductor", modules)
        for module in modules:
            with self.subTest(module):
                done = subprocess.run(
                    [
                        sys.executable,
                        "-c",
                        f"import sys, {module}; print(*sys.modules)",
                    ],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                loaded = set(done.stdout.split())
                self.assertIn(module, loaded)
                self.assertEqual(set(), loaded & ADAPTERS)
