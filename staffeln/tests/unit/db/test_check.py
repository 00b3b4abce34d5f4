# SPDX-License-Identifier: Apache-2.0
"""What the check knows of the schema without alembic."""

from staffeln.db import check, migration
from staffeln.tests import base


class HeadTest(base.TestCase):
    def test_it_is_the_migrations_head(self) -> None:
        self.assertEqual(migration.head(), check.HEAD)

    def test_the_shares_of_one_answer(self) -> None:
        longest = (
            check.RETRY_WITHIN
            + check.POOL_SHARE
            + check.CONNECT_SHARE
            + check.ANSWER_SHARE
        )
        self.assertLess(longest, 2.0)
