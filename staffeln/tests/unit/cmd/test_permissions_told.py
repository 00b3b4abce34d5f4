# SPDX-License-Identifier: Apache-2.0
"""``staffeln-db-manage`` has no log: it says who can read secrets itself."""

from __future__ import annotations

import pathlib

import fixtures

from staffeln.cmd import db_manage
from staffeln.tests.unit.cmd import test_db_manage


class PermissionsTest(test_db_manage.DbManageCase):
    def test_a_key_that_all_can_read_is_told_and_keeps_nothing_off(
        self,
    ) -> None:
        # The folders of tests keep all others out.
        self.useFixture(
            fixtures.MonkeyPatch(
                "staffeln.conf.permissions._of_others",
                lambda path: path.stat().st_mode & 0o7,
            )
        )
        arguments = self.configured()
        path = pathlib.Path(arguments[1])
        path.write_text(path.read_text() + "[notification]\nsender_pwd = x\n")
        path.chmod(0o644)
        code = db_manage.main([*arguments, "create_schema"])
        self.assertEqual(0, code)
        self.err.seek(0)
        (line,) = self.err.read().splitlines()
        self.assertIn("staffeln-db-manage: ", line)
        self.assertIn(f"{path} holds secrets and can be read by", line)
