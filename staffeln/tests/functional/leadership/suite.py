# SPDX-License-Identifier: Apache-2.0
"""What every backend of the leadership has to keep, between processes.

Two suites: one for all backends, one for those whose lock expires when its
holder is silent. A backend's test gives ``settings``, and the second suite
``freeze`` and ``thaw`` of the service.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from staffeln import leadership, ports
from staffeln.domain import errors
from staffeln.leadership.holding import boot_time
from staffeln.tests import base

DURATION, DEADLINE, RETRY = 4, 3, 1
"""Seconds: as short as a busy machine allows."""
PATIENCE = 30.0
"""Seconds that something which has to happen may take."""


def until(happens: Callable[[], bool], limit: float = PATIENCE) -> bool:
    """Look again and again until it happens; False: it did not."""
    end = boot_time() + limit
    while not happens():
        if boot_time() > end:
            return False
        time.sleep(0.05)
    return True


class Contender:
    """Another process that contends for the same office."""

    def __init__(self, settings: leadership.Settings, holder: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "staffeln.tests.functional.leadership.contender",
                json.dumps(dataclasses.asdict(settings)),
                holder,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )

    def answer(self, method: str) -> str:
        """Call a method there; what it answered."""
        self.send(method)
        return self.receive()

    def send(self, method: str) -> None:
        """Call a method there without waiting for its answer."""
        assert self.process.stdin
        self.process.stdin.write(f"{method}\n")
        self.process.stdin.flush()

    def receive(self) -> str:
        """The answer to what was sent."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def ask(self, method: str) -> bool:
        """Call a method there; whether it answered True."""
        return self.answer(method) == "True"

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Kill it, and wait until it is gone."""
        self.process.kill()
        self.process.communicate()


class LeadershipSuite(base.TestCase):
    """Inherit this with ``settings``; all backends pass it.

    It runs only where it is inherited: no test file holds it itself.
    """

    def settings(self) -> leadership.Settings:
        """The backend under test, with the durations of this file."""
        raise NotImplementedError

    def make_settings(self, backend_url: str = "") -> leadership.Settings:
        """Settings with the durations of this file."""
        return leadership.Settings(
            backend_url=backend_url,
            state_path=str(self.home / "state"),
            lease_duration=DURATION,
            lease_renew_deadline=DEADLINE,
            lease_retry_period=RETRY,
        )

    def connect(self, holder: str = "here") -> ports.Leadership:
        made = leadership.connect(self.settings(), holder)
        self.addCleanup(made.close)
        return made

    def contender(self, holder: str = "there") -> Contender:
        made = Contender(self.settings(), holder)
        self.addCleanup(made.end)
        return made

    def gets_it(self, here: ports.Leadership) -> bool:
        """Whether a process that tries and tries takes office."""
        return until(lambda: _tried(here))

    def test_one_of_two_processes_holds_it(self) -> None:
        here, there = self.connect(), self.contender()
        self.assertTrue(here.acquire())
        self.assertEqual("False", there.answer("acquire"))
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

    def test_of_many_that_try_at_once_one_gets_it(self) -> None:
        contenders = [self.contender(f"c{number}") for number in range(6)]
        for _ in range(3):
            for each in contenders:
                each.send("acquire")
            answers = [each.receive() for each in contenders]
            self.assertEqual(["False"] * 5 + ["True"], sorted(answers))
            contenders[answers.index("True")].answer("release")

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
        self.assertTrue(self.gets_it(here))

    def test_a_holder_that_renews_keeps_it(self) -> None:
        here, there = self.connect(), self.contender()
        self.assertTrue(there.ask("acquire"))
        end = boot_time() + DURATION + 2 * RETRY
        self.assertFalse(until(lambda: _tried(here), end - boot_time()))
        self.assertTrue(there.ask("held"))
        self.assertEqual("0", there.answer("losses"))

    def test_release_and_close_are_harmless(self) -> None:
        here = self.connect()
        here.release()
        here.close()
        here.close()

    def test_the_probe_takes_nothing(self) -> None:
        leadership.probe(self.settings())
        here = self.connect()
        self.assertTrue(here.acquire())
        leadership.probe(self.settings())
        self.assertTrue(here.held())

    def test_the_description_is_the_same_for_all(self) -> None:
        first, second = self.connect("first"), self.connect("second")
        self.assertNotEqual("", first.description)
        self.assertEqual(first.description, second.description)
        self.assertNotIn("first", first.description)


class ExpiringSuite(LeadershipSuite):
    """For backends whose lock goes when its holder is silent."""

    def freeze(self) -> None:
        """Let the service stand still."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Let it go on; harmless when it does."""
        raise NotImplementedError

    def test_a_stopped_holder_loses_it_and_knows(self) -> None:
        here, there = self.connect(), self.contender()
        self.assertTrue(there.ask("acquire"))
        self.assertFalse(here.acquire())
        there.signal(signal.SIGSTOP)
        self.assertTrue(self.gets_it(here))
        there.signal(signal.SIGCONT)
        self.assertFalse(there.ask("held"))
        self.assertTrue(until(lambda: there.answer("losses") == "1"))
        self.assertFalse(there.ask("acquire"))
        self.assertTrue(here.held())
        here.release()
        self.assertTrue(until(lambda: there.ask("acquire")))

    def test_a_holder_cut_off_stops_before_another_begins(self) -> None:
        here = self.connect()
        reasons: list[str] = []
        here.watch(reasons.append)
        self.assertTrue(here.acquire())
        self.addCleanup(self.thaw)
        self.freeze()
        frozen_at = last_held = boot_time()
        while asked_at := _held_at(here):
            last_held = asked_at
            time.sleep(0.02)
        # Its last renewal was sent before the freeze, so others have to
        # wait for longer than this from then on.
        self.assertLess(last_held, frozen_at + DURATION)
        self.assertTrue(until(lambda: bool(reasons)))
        self.thaw()
        there = self.contender()
        self.assertTrue(until(lambda: there.ask("acquire")))
        self.assertFalse(here.held())
        self.assertEqual(1, len(reasons))

    def test_it_gets_the_office_back_when_the_service_is_back(self) -> None:
        here = self.connect()
        self.assertTrue(here.acquire())
        self.addCleanup(self.thaw)
        self.freeze()
        self.assertTrue(until(lambda: not here.held()))
        try:
            here.acquire()
        except errors.CoordinationError as error:
            self.assertEqual(1, len(str(error).splitlines()))
        else:
            self.fail("a service that hangs gave the office away")
        self.thaw()
        self.assertTrue(self.gets_it(here))


def _held_at(office: ports.Leadership) -> float | None:
    """The time just before it said that it holds; None: it does not."""
    asked_at = boot_time()
    return asked_at if office.held() else None


def _tried(office: ports.Leadership) -> bool:
    try:
        return office.acquire()
    except errors.CoordinationError:
        return False
