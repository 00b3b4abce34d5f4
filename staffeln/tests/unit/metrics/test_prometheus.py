# SPDX-License-Identifier: Apache-2.0
"""Numbers of several processes are one."""

from __future__ import annotations

import os
import subprocess
import sys

from staffeln.metrics import prometheus
from staffeln.tests import base

COUNT = (
    "from staffeln.metrics import prometheus\n"
    "prometheus.observe('GET', '/x', 200, 0.003)\n"
    "print(prometheus.render().decode())\n"
)


class PrometheusTest(base.TestCase):
    def test_one_process(self) -> None:
        prometheus.observe("GET", "/one", 200, 0.003)
        text = prometheus.render().decode()
        labels = 'method="GET",route="/one",status="200"'
        self.assertIn(f"staffeln_api_requests_total{{{labels}}} 1.0", text)
        self.assertIn(
            f'staffeln_api_request_seconds_bucket{{le="0.0025",{labels}}} 0.0',
            text,
        )
        self.assertIn(
            f'staffeln_api_request_seconds_bucket{{le="0.005",{labels}}} 1.0',
            text,
        )

    def test_checks(self) -> None:
        prometheus.count_check("False", "a_test")
        self.assertIn(
            'staffeln_api_checks_total{answer="False",doubt="a_test"} 1.0',
            prometheus.render().decode(),
        )

    def test_several_processes(self) -> None:
        environment = {
            **os.environ,
            "PROMETHEUS_MULTIPROC_DIR": str(self.make_temp_dir()),
        }
        for number in (1, 2, 3):
            text = subprocess.run(
                [sys.executable, "-c", COUNT],
                env=environment,
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            self.assertIn(
                'staffeln_api_requests_total{method="GET",route="/x",'
                f'status="200"}} {number}.0',
                text,
            )
