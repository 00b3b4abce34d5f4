# SPDX-License-Identifier: Apache-2.0
"""The embedded default, and the same lock by its URL."""

import dataclasses
import signal

from staffeln import leadership
from staffeln.domain import errors
from staffeln.tests.functional.leadership import suite


class DefaultTest(suite.LeadershipSuite):
    def settings(self) -> leadership.Settings:
        return self.make_settings()

    def test_a_stopped_holder_keeps_it(self) -> None:
        here, there = self.connect(), self.contender()
        self.assertTrue(there.ask("acquire"))
        there.signal(signal.SIGSTOP)
        self.assertFalse(here.acquire())
        there.signal(signal.SIGCONT)
        self.assertTrue(there.ask("held"))

    def test_a_folder_that_cannot_be_made_is_one_line(self) -> None:
        settings = dataclasses.replace(
            self.settings(), state_path="/dev/null/x"
        )
        for attempt in (
            lambda: leadership.probe(settings),
            lambda: leadership.connect(settings, "me").acquire(),
        ):
            error = self.assertRaises(errors.ConfigurationError, attempt)
            self.assertEqual(1, len(str(error).splitlines()))
            self.assertIn("/dev/null/x", str(error))


class FileUrlTest(suite.LeadershipSuite):
    def settings(self) -> leadership.Settings:
        return self.make_settings(f"file://{self.home}/a folder with blanks")
