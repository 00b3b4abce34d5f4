# SPDX-License-Identifier: Apache-2.0
from hypothesis import given
from hypothesis import strategies as st

from staffeln.report import sharing
from staffeln.tests import base


class SharingTest(base.TestCase):
    def test_who_wants_little_leaves_more_to_others(self) -> None:
        self.assertEqual([2, 4, 4], sharing.shares([2, 90, 9], 10))

    @given(
        st.lists(st.integers(min_value=0, max_value=300)),
        st.integers(min_value=0, max_value=3000),
    )
    def test_fair(self, wanted: list[int], room: int) -> None:
        given_out = sharing.shares(wanted, room)
        self.assertEqual(min(sum(wanted), room), sum(given_out))
        short = [
            got
            for got, want in zip(given_out, wanted, strict=True)
            if got < want
        ]
        for got, want in zip(given_out, wanted, strict=True):
            self.assertLessEqual(got, want)
            if short:
                self.assertLessEqual(got, min(short) + 1)
