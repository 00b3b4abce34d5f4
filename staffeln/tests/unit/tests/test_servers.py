# SPDX-License-Identifier: Apache-2.0
"""Servers of tests: started or refused in one line, and surely stopped."""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys

from staffeln.tests import base
from staffeln.tests.servers import process

# Listens on a port until it is told to end.
LISTENER = """
import signal, socket, sys
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    signal.pause()
"""

# Starts such a server and says where, then waits.
STARTER = """
import signal
from staffeln.tests.unit.tests import test_servers
server = test_servers.start()
print(server.pid, server.folder, flush=True)
signal.pause()
"""


def answers(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def start(program: str = LISTENER) -> process.Process:
    """Start a small server of our own."""
    return process.Process(
        process.make_folder(None),
        lambda port: [
            *process.as_user(None),
            sys.executable,
            "-c",
            program,
            str(port),
        ],
        answers,
        signal.SIGTERM,
    )


class ProcessTest(base.TestCase):
    def test_a_server_answers_until_it_is_stopped(self) -> None:
        server = start()
        self.addCleanup(server.stop)
        self.assertTrue(answers(server.port))
        self.assertTrue(server.folder.is_dir())
        server.stop()
        self.assertFalse(answers(server.port))
        self.assertFalse(server.folder.exists())
        server.stop()

    def test_one_that_does_not_come_up_tells_its_last_words(self) -> None:
        error = self.assertRaises(
            process.ServerError, start, "raise SystemExit('no disk')"
        )
        self.assertIn("does not come up", str(error))
        self.assertIn("no disk", str(error))

    def test_it_ends_with_a_process_that_is_killed(self) -> None:
        with subprocess.Popen(
            [sys.executable, "-c", STARTER],
            stdout=subprocess.PIPE,
            text=True,
        ) as starter:
            assert starter.stdout
            number, folder = starter.stdout.readline().split()
            watched = os.pidfd_open(int(number))
            self.addCleanup(os.close, watched)
            self.addCleanup(shutil.rmtree, folder)
            starter.kill()
        # Readable as soon as that process is gone; where it lives on, the
        # test's own time limit ends the waiting.
        self.assertEqual(1, len(select.select([watched], [], [])[0]))

    def test_a_program_that_is_not_there_names_its_package(self) -> None:
        error = self.assertRaises(
            process.ServerError,
            process.find,
            "mariadbd",
            "mariadb-server",
            [self.home],
        )
        self.assertIn("mariadbd", str(error))
        self.assertIn("package mariadb-server", str(error))
        self.assertEqual(1, len(str(error).splitlines()))
