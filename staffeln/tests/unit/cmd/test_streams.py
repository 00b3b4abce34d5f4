# SPDX-License-Identifier: Apache-2.0
"""Each command where its streams are closed, full or read by nobody.

And where the working directory is gone.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import subprocess

from staffeln.cmd import streams
from staffeln.tests import base
from staffeln.tests.unit.cmd import shell

COMMANDS = {
    "db_manage": ["version"],
    "status": ["upgrade", "check"],
    "cli": ["task", "list"],
}
"""Those that print what they were asked for."""
SERVICES = ("api", "conductor")
FULL = "[Errno 28] No space left on device"


class StreamsTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.home / "staffeln.conf"
        self.configure()

    def configure(self, text: str = "") -> None:
        self.path.write_text(
            f"[DEFAULT]\nstate_path = {self.home}\n[database]\n"
            f"connection = sqlite:///{self.home}/x.sqlite\n{text}"
        )
        self.path.chmod(0o600)

    def run_in_shell(
        self,
        command: str,
        *arguments: str,
        script: str = shell.RUN,
        file: str | None = None,
        stdout: int = subprocess.PIPE,
    ) -> tuple[int, str, str]:
        """A command's exit code, output and errors.

        :param script: starts the command, which is its arguments.
        """
        done = subprocess.run(
            shell.words(
                script,
                command,
                "--config-file",
                file or str(self.path),
                *arguments,
            ),
            env=shell.environment(self.home),
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
        self.assertNotIn("Traceback", done.stderr)
        return done.returncode, done.stdout or "", done.stderr

    def make_database(self) -> None:
        code, _, err = self.run_in_shell("db_manage", "create_schema")
        self.assertEqual(0, code, err)

    def test_closed_streams_change_no_exit_code(self) -> None:
        self.make_database()
        for command, arguments in COMMANDS.items():
            expected, _, _ = self.run_in_shell(command, *arguments)
            with self.subTest(command):
                code, _, err = self.run_in_shell(
                    command, *arguments, script='exec "$@" <&- >&- 2>&-'
                )
                self.assertEqual(expected, code, err)

    def test_a_full_device_is_said(self) -> None:
        self.make_database()
        for command, arguments in COMMANDS.items():
            with self.subTest(command):
                code, _, err = self.run_in_shell(
                    command, *arguments, script='exec "$@" >/dev/full'
                )
                self.assertIn(code, (1, 2))
                self.assertIn(FULL, err.splitlines()[-1])

    def test_a_file_that_cannot_be_read_is_not_the_output(self) -> None:
        def read() -> int:
            (self.home / "none").read_text()
            return 0

        # The test's own output is not to be thrown away.
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()) as said,
        ):
            code = streams.printing("staffeln", read)
        self.assertEqual(1, code)
        self.assertEqual(
            "staffeln: [Errno 2] No such file or directory: "
            f"'{self.home / 'none'}'\n",
            said.getvalue(),
        )

    def test_a_reader_that_went_away(self) -> None:
        self.make_database()
        for command, arguments in COMMANDS.items():
            reading, writing = os.pipe()
            os.close(reading)
            with self.subTest(command), open(writing, "w") as pipe:
                code, _, err = self.run_in_shell(
                    command, *arguments, stdout=pipe.fileno()
                )
                self.assertEqual(141, code)
                self.assertNotIn("Broken pipe", err)

    def test_a_database_is_made_although_nobody_hears_of_it(self) -> None:
        code, _, err = self.run_in_shell(
            "db_manage", "create_schema", script='exec "$@" >/dev/full'
        )
        self.assertEqual(1, code)
        self.assertEqual(
            f"staffeln-db-manage: the output is lost: {FULL}; the command "
            "was carried out\n",
            err,
        )
        code, out, _ = self.run_in_shell(
            "db_manage", "version", script='exec "$@" 2>/dev/full'
        )
        self.assertEqual(0, code)
        self.assertNotIn("no schema", out)

    def test_the_log_of_a_service_that_cannot_be_written(self) -> None:
        """Each line of it is one on standard error, and the code stays."""
        for command in SERVICES:
            for how in (">/dev/full", "<&- >&-"):
                with self.subTest(command, how=how):
                    code, _, err = self.run_in_shell(
                        command, script=f'exec "$@" {how}'
                    )
                    self.assertEqual(78, code, err)
                    self.assertIn("INFO", err)
                    self.assertIn("configuration: ", err)
                    self.assertEqual(
                        how == ">/dev/full",
                        "the log cannot be written" in err,
                    )

    def run_in_a_deleted_folder(
        self, command: str, file: str | None = None
    ) -> tuple[int, list[str]]:
        """The exit code of a start that fails, and its lines of errors."""
        folder = self.home / "gone"
        folder.mkdir()
        code, _, err = self.run_in_shell(
            command,
            *COMMANDS.get(command, []),
            script=f'cd {folder} && rmdir {folder} && exec "$@"',
            file=file,
        )
        return code, err.splitlines()

    def test_a_relative_path_in_a_deleted_folder(self) -> None:
        for command in (*COMMANDS, *SERVICES):
            with self.subTest(command):
                code, lines = self.run_in_a_deleted_folder(
                    command, "staffeln.conf"
                )
                self.assertNotEqual(0, code)
                (line,) = lines
                self.assertIn("working directory, which was deleted", line)

    def test_the_api_needs_no_working_directory(self) -> None:
        self.make_database()
        with socket.create_server(("127.0.0.1", 0)) as other:
            self.configure(f"[api]\nport = {other.getsockname()[1]}\n")
            code, lines = self.run_in_a_deleted_folder("api")
        self.assertEqual(1, code)
        (line,) = lines
        self.assertIn("is in use already", line)
