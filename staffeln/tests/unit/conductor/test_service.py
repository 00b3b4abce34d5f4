# SPDX-License-Identifier: Apache-2.0
"""The real launcher, with real processes and signals.

The process is :mod:`staffeln.tests.unit.conductor.example`: a conductor
whose database and cloud are made up. Its output is waited for, never the
clock; a process that says nothing more is ended by the test's own timeout.
"""

from __future__ import annotations

import os
import queue
import re
import signal
import subprocess
import sys
import threading

import requests

from staffeln.tests import base
from staffeln.tests.servers import process

_PATIENCE = 60.0
"""Seconds after which a line that does not come fails its test."""


class ServiceTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.home / "staffeln.conf"
        self.configure("one")
        self.seen: list[str] = []

    def configure(self, key: str, more: str = "") -> None:
        self.path.write_text(
            "[DEFAULT]\nlog_options = false\n"
            f"[conductor]\nbackup_metadata_key = {key}\n{more}\n"
        )

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "staffeln.tests.unit.conductor.example",
                str(self.path),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        reader = threading.Thread(target=self._read, daemon=True)
        reader.start()
        self.addCleanup(reader.join)
        self.addCleanup(self.kill)

    def _read(self) -> None:
        assert self.process.stdout
        with self.process.stdout as output:
            for line in output:
                self.lines.put(line.rstrip("\n"))
        self.lines.put(None)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def wait_for(self, expression: str) -> re.Match[str]:
        """Read on to the first line that has the expression."""
        while True:
            line = self.lines.get(timeout=_PATIENCE)
            if line is None:
                self.fail(f"no {expression!r} in {self.seen}")
            self.seen.append(line)
            if match := re.search(expression, line):
                return match

    def rest(self) -> list[str]:
        """All lines up to the end of all processes."""
        lines = []
        while (line := self.lines.get(timeout=_PATIENCE)) is not None:
            lines.append(line)
        self.seen += lines
        return lines

    def wait_until_up(self, key: str = "one") -> int:
        """Wait until a worker is up with that key; its process id."""
        worker = int(self.wait_for(rf"^(\d+) key {key}$").group(1))
        self.wait_for("is up")
        return worker

    def signal_all(self, number: signal.Signals) -> None:
        os.killpg(self.process.pid, number)

    def test_sigterm_ends_it_politely(self) -> None:
        for everybody in (False, True):
            self.start()
            worker = self.wait_until_up()
            self.assertNotEqual(self.process.pid, worker)
            if everybody:
                self.signal_all(signal.SIGTERM)
            else:
                self.process.terminate()
            rest = [line.removeprefix(f"{worker} ") for line in self.rest()]
            self.assertEqual(0, self.process.wait())
            spoken = [
                line
                for line in rest
                if line
                in (
                    "handed back",
                    "office closed",
                    "unregistered c1",
                    "closed",
                )
            ]
            self.assertEqual(
                ["handed back", "office closed", "unregistered c1", "closed"],
                spoken,
            )
            self.assertNotIn("Traceback", "\n".join(self.seen))

    def test_sighup_reads_again_and_starts_a_new_worker(self) -> None:
        self.start()
        worker = self.wait_until_up()
        self.configure("two")
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("handed back")
        self.assertNotEqual(worker, self.wait_until_up("two"))
        self.process.terminate()
        self.rest()
        self.assertEqual(0, self.process.wait())

    def test_metrics_are_the_next_workers_after_sighup(self) -> None:
        port = process.free_port()
        metrics = f"[metrics]\nenabled = true\nport = {port}\n"
        url = f"http://127.0.0.1:{port}/metrics"
        self.configure("one", metrics)
        self.start()
        first = int(self.wait_for(r"^(\d+) key one$").group(1))
        self.wait_for(f"Metrics: {url}")
        self.assertEqual(str(first), requests.get(url, timeout=60).text)
        self.configure("two", metrics)
        self.process.send_signal(signal.SIGHUP)
        second = int(self.wait_for(r"^(\d+) key two$").group(1))
        self.wait_for(f"Metrics: {url}")
        self.assertEqual(str(second), requests.get(url, timeout=60).text)
        self.process.terminate()
        self.rest()
        self.assertEqual(0, self.process.wait())

    def test_sighup_to_the_group_ends_with_the_new_values(self) -> None:
        self.start()
        self.wait_until_up()
        self.configure("two")
        self.signal_all(signal.SIGHUP)
        self.wait_until_up("two")
        self.signal_all(signal.SIGTERM)
        self.rest()
        self.assertEqual(0, self.process.wait())

    def test_sighup_with_a_bad_file_keeps_the_old_values(self) -> None:
        self.start()
        worker = self.wait_until_up()
        self.configure("two", "backup_workers = many")
        self.process.send_signal(signal.SIGHUP)
        self.wait_for(
            r"old values stay: \[conductor\] backup_workers = 'many'"
        )
        self.assertNotEqual(worker, self.wait_until_up("one"))
        self.process.terminate()
        self.rest()
        self.assertEqual(0, self.process.wait())
        self.assertNotIn("Traceback", "\n".join(self.seen))

    def test_a_killed_worker_is_replaced(self) -> None:
        self.start()
        worker = self.wait_until_up()
        os.kill(worker, signal.SIGKILL)
        self.assertNotEqual(worker, self.wait_until_up())
        self.process.terminate()
        self.rest()
        self.assertEqual(0, self.process.wait())

    def test_a_worker_ends_when_its_parent_is_killed(self) -> None:
        self.start()
        self.wait_until_up()
        self.process.kill()
        self.wait_for("handed back")
        self.wait_for("closed$")
        self.rest()
        self.process.wait()

    def test_a_bug_in_the_start_does_not_start_worker_after_worker(
        self,
    ) -> None:
        (self.home / "broken").touch()
        self.start()
        first = self.wait_for(r" (\d+) ERROR .* next try in 1 s: a bug")
        again = self.wait_for(r" (\d+) ERROR .* next try in 2 s: a bug")
        self.assertEqual(first.group(1), again.group(1))
        (self.home / "broken").unlink()
        self.wait_until_up()
        self.process.terminate()
        self.rest()
        self.assertEqual(0, self.process.wait())

    def test_what_is_wrong_before_the_start_ends_it(self) -> None:
        (self.home / "wrong").touch()
        self.start()
        self.assertIn("refused: 401: wrong password", self.rest()[-1])
        self.assertEqual(1, self.process.wait())

    def test_a_cloud_out_of_reach_is_tried_again(self) -> None:
        (self.home / "unreachable").touch()
        self.start()
        self.wait_for("next try in 1 s: cannot reach Keystone")
        self.wait_for("next try in 2 s: cannot reach Keystone")
        (self.home / "unreachable").unlink()
        self.wait_until_up()
        self.process.terminate()
        self.rest()
        self.assertEqual(0, self.process.wait())

    def test_probes_see_a_file_until_the_end(self) -> None:
        alive = self.home / "alive"
        self.configure("one", f"alive_file = {alive}")
        (self.home / "unreachable").touch()
        self.start()
        self.wait_for("next try in 1 s: cannot reach Keystone")
        self.assertEqual("starting\n", alive.read_text())
        (self.home / "unreachable").unlink()
        self.wait_until_up()
        self.assertEqual("working\n", alive.read_text())
        self.process.terminate()
        self.rest()
        self.assertEqual(0, self.process.wait())
        self.assertFalse(alive.exists())

    def test_signals_while_the_cloud_is_out_of_reach(self) -> None:
        (self.home / "unreachable").touch()
        self.start()
        self.wait_for("next try in 1 s: cannot reach Keystone")
        self.configure("two", "backup_workers = many")
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("old values stay")
        self.wait_for("next try in 1 s")
        self.configure("two")
        self.process.send_signal(signal.SIGHUP)
        self.wait_for("was read again")
        self.wait_for("next try in 1 s")
        self.process.terminate()
        self.rest()
        self.assertEqual(0, self.process.wait())

    def test_to_be_told_twice_changes_nothing(self) -> None:
        (self.home / "unreachable").touch()
        for again in (signal.SIGTERM, signal.SIGINT):
            self.start()
            self.wait_for("next try in 1 s")
            self.process.terminate()
            while self.process.poll() is None:
                self.process.send_signal(again)
            self.assertEqual(0, self.process.returncode)
            self.assertNotIn("_Stopped", "\n".join(self.rest()))
