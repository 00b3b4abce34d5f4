# SPDX-License-Identifier: Apache-2.0
"""What uWSGI and mod_wsgi import."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

from staffeln.tests import base
from staffeln.tests.unit.db import example

ANSWER = """
import json, sys
from werkzeug import test
from staffeln.wsgi import api
before = api.application._made
asked = test.Client(api.application).post(
    "/v1/backup?backup_id=0e1b9a04-4a0f-4d8c-9d52-5d6d4e2c7fd5"
)
print(json.dumps([before, asked.status_code, asked.text]))
"""


class ModuleTest(base.TestCase):
    def run_with(
        self, code: str, *files: pathlib.Path
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": os.pathsep.join(sys.path),
                "OS_STAFFELN_CONFIG_FILES": ";".join(map(str, files)),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    def test_the_first_request_makes_the_application(self) -> None:
        database = self.home / "staffeln.sqlite"
        example.new_database(database).close()
        one, two = self.home / "one.conf", self.home / "two.conf"
        one.write_text(f"[DEFAULT]\nstate_path = {self.home}\n")
        two.write_text(f"[database]\nconnection = sqlite:///{database}\n")
        done = self.run_with(ANSWER, one, two)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertEqual(
            [None, 200, "False"],
            json.loads(done.stdout.splitlines()[-1]),
        )

    def test_a_file_that_is_not_there_is_one_line(self) -> None:
        done = self.run_with("import staffeln.wsgi.api", self.home / "no")
        self.assertEqual(1, done.returncode)
        (line,) = done.stderr.splitlines()
        self.assertIn(f"{self.home}/no", line)

    def test_a_wrong_option_is_one_line(self) -> None:
        path = self.home / "staffeln.conf"
        path.write_text("[api]\nmax_body = much\n")
        done = self.run_with("import staffeln.wsgi.api", path)
        self.assertEqual(1, done.returncode)
        (line,) = done.stderr.splitlines()
        self.assertIn("[api] max_body = 'much'", line)

    def test_a_database_that_no_driver_reaches_is_one_line(self) -> None:
        path = self.home / "staffeln.conf"
        for url in ("mysql+nothing://h/d", "mysql://h/d?connect_timeout=abc"):
            path.write_text(f"[database]\nconnection = {url}\n")
            done = self.run_with("import staffeln.wsgi.api", path)
            self.assertEqual(1, done.returncode)
            (line,) = done.stderr.splitlines()
            self.assertIn("[database] connection mysql+", line)
