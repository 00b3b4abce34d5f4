# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from staffeln.domain import report
from staffeln.report import meters
from staffeln.report.view import Meter, Tone
from staffeln.tests import base


def meter(limit: int, in_use: int, reserved: int = 0) -> Meter:
    quota = report.Quota(limit=limit, in_use=in_use, reserved=reserved)
    return meters.meter("Size", quota, " GiB")


class MeterTest(base.TestCase):
    def test_words(self) -> None:
        for quota, said in {
            (1000, 340): "340 of 1,000 GiB (34%)",
            (1000, 340, 20): "340 of 1,000 GiB (36%), 20 reserved",
            (-1, 340): "340 GiB, no limit",
            (-1, 340, 1): "340 GiB, no limit, 1 reserved",
            (0, 0): "0 GiB, none allowed: the limit is 0",
            (10, 12): "12 of 10 GiB (120%)",
        }.items():
            self.assertEqual(said, meter(*quota).words)

    def test_colours(self) -> None:
        for in_use, tone in {
            0: Tone.GOOD,
            74: Tone.GOOD,
            75: Tone.TIGHT,
            89: Tone.TIGHT,
            90: Tone.BAD,
            100: Tone.BAD,
            130: Tone.BAD,
        }.items():
            self.assertEqual(tone, meter(100, in_use).tone)
        self.assertEqual(Tone.PLAIN, meter(-1, 5).tone)
        self.assertEqual(Tone.BAD, meter(0, 0).tone)

    def test_no_limit_has_no_bar(self) -> None:
        self.assertIsNone(meter(-1, 5).percent)

    @given(
        st.integers(min_value=0, max_value=10**6),
        st.integers(min_value=0, max_value=10**6),
        st.integers(min_value=0, max_value=10**6),
    )
    def test_a_bar_lies_neither_way(
        self, limit: int, in_use: int, reserved: int
    ) -> None:
        percent = meter(limit, in_use, reserved).percent
        assert percent is not None
        self.assertTrue(0 <= percent <= 100)
        if limit:
            self.assertEqual(percent == 100, in_use + reserved >= limit)
            self.assertEqual(percent == 0, in_use + reserved == 0)

    def test_unread_quotas_have_none(self) -> None:
        self.assertEqual((), meters.of(None))


class ForecastTest(base.TestCase):
    def test_words(self) -> None:
        coming = report.Forecast(
            backups=1, gigabytes=1200, fits=False, why="200 GiB too many"
        )
        self.assertEqual(
            (
                "Next cycle: 1 backup and 1,200 GiB more do not fit. "
                "200 GiB too many",
                Tone.BAD,
            ),
            meters.forecast(coming, detailed=False),
        )

    def test_none(self) -> None:
        self.assertEqual("", meters.forecast(None, detailed=False)[0])
