# SPDX-License-Identifier: Apache-2.0
"""Reports fit a screen and a phone, and names in them do nothing."""

from staffeln.domain import report
from staffeln.report import Pages, words
from staffeln.tests import base
from staffeln.tests.functional.report import browser
from staffeln.tests.unit.report import samples

SCREEN = 1200
PHONE = 380


class ChromiumTest(base.TestCase):
    def seen(self, what: report.Report, width: int) -> browser.Seen:
        page = Pages().render(what).html
        return browser.look(page, width, self.make_temp_dir())

    def check(self, what: report.Report) -> None:
        for width in (SCREEN, PHONE):
            seen = self.seen(what, width)
            self.assertEqual("CSS1Compat", seen.mode)
            self.assertLessEqual(seen.widest, seen.width)
            self.assertEqual([], seen.beyond)

    def test_one_project(self) -> None:
        self.check(samples.whole())

    def test_many_projects(self) -> None:
        self.check(samples.many())

    def test_a_long_list(self) -> None:
        self.check(samples.long())

    def test_names_that_mean_harm(self) -> None:
        self.check(samples.hostile())
        seen = self.seen(samples.hostile(), SCREEN)
        for tag in ("SCRIPT", "IMG", "A", "STYLE"):
            self.assertNotIn(tag, seen.tags)
        for name in samples.HOSTILE:
            self.assertIn(words.shown(name), seen.text)
