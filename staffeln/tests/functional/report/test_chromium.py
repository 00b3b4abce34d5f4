# SPDX-License-Identifier: Apache-2.0
"""Reports fit a screen and a phone, and names in them do nothing."""

from staffeln.domain import report
from staffeln.report import Pages, overview, words
from staffeln.tests import base
from staffeln.tests.functional.report import browser
from staffeln.tests.unit.report import samples, test_overview

SCREEN = 1200
PHONE = 380


def html(what: report.Report) -> str:
    return Pages().render(what).html


class ChromiumTest(base.TestCase):
    def seen(self, page: str, width: int) -> browser.Seen:
        return browser.look(page, width, self.make_temp_dir())

    def check(self, page: str) -> None:
        for width in (SCREEN, PHONE):
            seen = self.seen(page, width)
            self.assertEqual("CSS1Compat", seen.mode)
            self.assertLessEqual(seen.widest, seen.width)
            self.assertEqual([], seen.beyond)

    def test_one_project(self) -> None:
        self.check(html(samples.whole()))

    def test_many_projects(self) -> None:
        self.check(html(samples.many()))

    def test_a_long_list(self) -> None:
        self.check(html(samples.long()))

    def test_names_that_mean_harm(self) -> None:
        page = html(samples.hostile())
        self.check(page)
        seen = self.seen(page, SCREEN)
        for tag in ("SCRIPT", "IMG", "A", "STYLE"):
            self.assertNotIn(tag, seen.tags)
        for name in samples.HOSTILE:
            self.assertIn(words.shown(name), seen.text)

    def test_the_summary(self) -> None:
        self.check(overview.rendered(test_overview.sample()).html)
