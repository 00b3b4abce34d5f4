# SPDX-License-Identifier: Apache-2.0
"""Each command where somebody presses Ctrl-C, or a signal comes early."""

from __future__ import annotations

import os
import signal
import subprocess
import threading

from staffeln.cmd import interrupts
from staffeln.tests import base
from staffeln.tests.unit.cmd import shell

COMMANDS = {
    "db_manage": ["version"],
    "status": ["upgrade", "check"],
    "cli": ["task", "list"],
    "api": [],
    "conductor": [],
}


_PATIENCE = 120.0
"""Seconds that a command may take to end."""


class InterruptsTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        # Ignored here, a signal would be ignored in each command: a shell
        # does so to what runs in the background, and a service that ran in
        # this process left SIGHUP so.
        for number in (signal.SIGINT, signal.SIGHUP):
            before = signal.signal(number, signal.SIG_DFL)
            self.addCleanup(signal.signal, number, before)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupted(
        self,
        command: str,
        script: str = shell.RUN,
        text: str = "",
        number: signal.Signals = signal.SIGINT,
    ) -> tuple[int, str]:
        """The exit code and the errors of a command that reads its file.

        :param script: starts the command, which is its arguments.
        :param text: the file, which is there after the signal only.
        """
        path = self.home / f"{command}.conf"
        os.mkfifo(path)
        with subprocess.Popen(
            shell.words(
                script, command, f"--config-file={path}", *COMMANDS[command]
            ),
            env=shell.environment(self.home),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            # It opens when the command opens it, and waits for more.
            with path.open("w") as file:
                process.send_signal(number)
                file.write(text)
            try:
                _, err = process.communicate(timeout=_PATIENCE)
            finally:
                process.kill()
        return process.returncode, err

    def test_it_ends_without_a_word(self) -> None:
        for command in COMMANDS:
            with self.subTest(command):
                self.assertEqual(
                    (-signal.SIGINT, ""), self.interrupted(command)
                )

    def test_who_ignores_it_goes_on(self) -> None:
        code, err = self.interrupted(
            "db_manage", 'trap "" INT; exec "$@"', "no option\n"
        )
        self.assertEqual(1, code)
        self.assertIn("found in assignment", err)

    def test_a_service_that_reads_already_is_not_ended_by_sighup(self) -> None:
        for command in ("api", "conductor"):
            with self.subTest(command):
                code, err = self.interrupted(
                    command, text="no option\n", number=signal.SIGHUP
                )
                self.assertEqual(78, code)
                self.assertIn("found in assignment", err)

    def test_what_was_before_is_there_again(self) -> None:
        for before in (signal.default_int_handler, signal.SIG_IGN):
            signal.signal(signal.SIGINT, before)
            with interrupts.end_at_once():
                pass
            self.assertIs(before, signal.getsignal(signal.SIGINT))

    def test_in_a_thread_nothing_changes(self) -> None:
        seen: list[object] = []

        def work() -> None:
            with interrupts.end_at_once():
                seen.append(signal.getsignal(signal.SIGINT))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        self.assertEqual([signal.getsignal(signal.SIGINT)], seen)
