# SPDX-License-Identifier: Apache-2.0
"""The example for uWSGI, with uWSGI."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import uuid

from staffeln.tests import base
from staffeln.tests.functional.api import live
from staffeln.tests.servers import process
from staffeln.tests.unit.packaging.manifests import ROOT


class UwsgiTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.api = live.Api(self.home)
        self.api.configure()
        text = (ROOT / "etc/uwsgi/staffeln-api.ini").read_text()
        for theirs, ours in (
            ("127.0.0.1:8808", f"127.0.0.1:{self.api.port}"),
            ("= /opt/staffeln\n", f"= {sys.prefix}\n"),
        ):
            self.assertEqual(1, text.count(theirs))
            text = text.replace(theirs, ours)
        (self.home / "api.ini").write_text(text)

    def start(self) -> None:
        """Start it."""
        output = (self.home / "uwsgi.out").open("ab")
        self.addCleanup(output.close)
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import pyuwsgi; pyuwsgi.run()",
                "--ini",
                "api.ini",
            ],
            cwd=self.home,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "OS_STAFFELN_CONFIG_FILES": f"{self.home}/staffeln.conf",
            },
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        self.addCleanup(self.kill)

    def start_well(self) -> None:
        """Start it, and wait until it answers."""
        self.start()
        process.await_true(self.answers, "uWSGI does not answer")

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def answers(self) -> bool:
        if self.process.poll() is not None:
            raise process.ServerError((self.home / "uwsgi.out").read_text())
        try:
            return self.api.get("/v1/health?probe=live")[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def test_it_answers_cinder_and_ends(self) -> None:
        self.start_well()
        managed = self.api.manage()
        self.assertEqual("True", self.api.check(str(uuid.uuid4())))
        self.assertEqual("False", self.api.check(managed))
        self.assertEqual(200, self.api.get("/v1/health")[0])
        self.process.terminate()
        self.assertEqual(0, self.process.wait(live.LIMIT))

    def test_it_reads_the_configuration_again(self) -> None:
        self.start_well()
        settings = self.home / "staffeln.conf"
        settings.write_text(f"{settings.read_text()}max_body = 1024\n")
        self.assertEqual(200, self.status_of_a_body_of(2000))
        self.process.send_signal(signal.SIGHUP)
        process.await_true(
            lambda: self.status_of_a_body_of(2000) == 413,
            "the configuration is not read again",
        )

    def test_a_wrong_configuration_ends_it_with_one_line(self) -> None:
        self.api.configure(threads="many")
        self.start()
        self.assertNotEqual(0, self.process.wait(live.LIMIT))
        said = (self.home / "uwsgi.out").read_text()
        lines = [
            line
            for line in said.splitlines()
            if line.startswith("staffeln-api: ")
        ]
        self.assertEqual(1, len(lines))
        self.assertIn("[api] threads = 'many'", lines[0])
        self.assertNotIn("Traceback", said)

    def status_of_a_body_of(self, size: int) -> int:
        """What a check with so many bytes is answered; 0: nothing."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.api.port, timeout=live.LIMIT
        )
        try:
            connection.request(
                "POST",
                f"/v1/backup?backup_id={uuid.uuid4()}",
                b" " * size,
            )
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
