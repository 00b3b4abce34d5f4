# SPDX-License-Identifier: Apache-2.0
"""What every backend of the leadership has to keep, between processes."""

from __future__ import annotations

import signal
import subprocess
import sys

from staffeln import leadership, ports
from staffeln.tests import base


class Contender:
    """Another process that contends for the same office."""

    def __init__(self, url: str, state_path: str, holder: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "staffeln.tests.functional.leadership.contender",
                url,
                state_path,
                holder,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, method: str) -> bool:
        """Call a method there; whether it answered True."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{method}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip() == "True"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.process.kill()
        self.process.communicate()


class LeadershipSuite(base.TestCase):
    """Inherit this with ``url``; a backend passes when all tests do.

    It runs only where it is inherited: no test file holds it itself.
    """

    url = ""

    def setUp(self) -> None:
        super().setUp()
        self.state_path = str(self.home / "state")

    def connect(self, holder: str = "here") -> ports.Leadership:
        made = leadership.connect(self.url, self.state_path, holder)
        self.addCleanup(made.close)
        return made

    def contender(self, holder: str = "there") -> Contender:
        made = Contender(self.url, self.state_path, holder)
        self.addCleanup(made.end)
        return made

    def test_one_of_two_processes_holds_it(self) -> None:
        here, there = self.connect(), self.contender()
        self.assertTrue(here.acquire())
        self.assertFalse(there.ask("acquire"))
        self.assertFalse(there.ask("held"))
        self.assertTrue(here.held())

    def test_one_of_two_in_a_process_holds_it(self) -> None:
        first, second = self.connect("first"), self.connect("second")
        self.assertTrue(first.acquire())
        self.assertFalse(second.acquire())
        self.assertFalse(second.held())
        first.release()
        self.assertTrue(second.acquire())
        self.assertFalse(first.held())

    def test_the_holder_may_ask_again(self) -> None:
        here = self.connect()
        self.assertTrue(here.acquire())
        self.assertTrue(here.acquire())
        here.release()
        self.assertTrue(self.contender().ask("acquire"))

    def test_given_back_it_goes_to_the_other(self) -> None:
        here, there = self.connect(), self.contender()
        self.assertTrue(there.ask("acquire"))
        self.assertFalse(here.acquire())
        there.ask("release")
        self.assertTrue(here.acquire())
        self.assertFalse(there.ask("acquire"))

    def test_what_failed_before_changes_nothing(self) -> None:
        here, there = self.connect(), self.contender()
        for _ in range(2):
            self.assertTrue(there.ask("acquire"))
            self.assertFalse(here.acquire())
            self.assertFalse(here.acquire())
            there.ask("release")
            self.assertTrue(here.acquire())
            self.assertFalse(there.ask("acquire"))
            here.release()
        here.close()
        self.assertTrue(there.ask("acquire"))
        self.assertNotIn("WARNING", self.log.output)

    def test_closed_it_goes_to_the_other(self) -> None:
        here, there = self.connect(), self.contender()
        self.assertTrue(here.acquire())
        here.close()
        self.assertFalse(here.held())
        self.assertTrue(there.ask("acquire"))

    def test_a_killed_holder_loses_it(self) -> None:
        here, there = self.connect(), self.contender()
        self.assertTrue(there.ask("acquire"))
        self.assertFalse(here.acquire())
        there.end()
        self.assertTrue(here.acquire())

    def test_release_and_close_are_harmless(self) -> None:
        here = self.connect()
        here.release()
        here.close()
        here.close()

    def test_the_description_names_the_backend(self) -> None:
        self.assertNotEqual("", self.connect().description)
