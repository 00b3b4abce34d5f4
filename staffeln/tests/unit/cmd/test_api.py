# SPDX-License-Identifier: Apache-2.0
"""``staffeln-api``: what keeps it from starting is one line."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys

from staffeln.cmd import ending
from staffeln.tests import base, certificates
from staffeln.tests.unit.db import example


class ProcessTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.database = self.home / "staffeln.sqlite"

    def refused(self, text: str, code: int = 78) -> str:
        """The one line of a start that cannot go well."""
        path = self.home / "staffeln.conf"
        log = self.home / "log"
        path.write_text(
            f"[DEFAULT]\nstate_path = {self.home}\nlog_file = {log}\n"
            f"[database]\nconnection = sqlite:///{self.database}\n{text}"
        )
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "staffeln.cmd.api",
                "--config-file",
                str(path),
            ],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self.home),
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(code, done.returncode, done.stderr)
        self.assertEqual("", done.stdout)
        (line,) = done.stderr.splitlines()
        if log.exists():
            self.assertNotIn("Traceback", log.read_text())
            self.assertIn(line.removeprefix("staffeln-api: "), log.read_text())
        return str(line)

    def with_schema(self) -> None:
        example.new_database(self.database).close()

    def test_a_wrong_option(self) -> None:
        self.assertIn("[api] port = 'x'", self.refused("[api]\nport = x\n"))

    def test_a_database_that_is_none(self) -> None:
        self.assertIn(
            "[database] connection", self.refused("connection = geheim\n")
        )

    def test_a_database_without_a_file(self) -> None:
        self.assertIn("staffeln-db-manage", self.refused(""))

    def test_a_certificate_that_is_not_there(self) -> None:
        self.with_schema()
        line = self.refused(
            "[api]\nenabled_ssl = true\nssl_cert_file = /nowhere\n"
        )
        self.assertIn("[api] ssl_cert_file = '/nowhere'", line)

    def test_a_key_that_does_not_fit(self) -> None:
        self.with_schema()
        authority = certificates.Authority(self.home, "authority")
        certificate, _ = authority.sign("one")
        _, key = authority.sign("two")
        line = self.refused(
            f"[api]\nenabled_ssl = true\nssl_cert_file = {certificate}\n"
            f"ssl_key_file = {key}\n"
        )
        self.assertIn(f"[api] ssl_key_file = '{key}'", line)

    def test_a_port_in_use_may_be_free_at_the_next_start(self) -> None:
        self.with_schema()
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            line = self.refused(f"[api]\nport = {port}\n", code=1)
        self.assertIn("is in use already", line)

    def test_the_systemd_unit_knows_the_code(self) -> None:
        root = pathlib.Path(__file__).parents[4]
        unit = root / "etc/systemd/staffeln-api.service"
        self.assertIn(
            f"\nRestartPreventExitStatus={ending.EX_CONFIG}\n",
            unit.read_text(),
        )
