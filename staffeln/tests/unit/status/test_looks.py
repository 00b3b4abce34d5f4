# SPDX-License-Identifier: Apache-2.0
"""What is said where all is well, and where something cannot be asked."""

from __future__ import annotations

import datetime
import types
from typing import Any, cast

from staffeln.status.judging import of_database
from staffeln.status.looks import OfCloud
from staffeln.tests import base


class KeystoneTest(base.TestCase):
    def test_the_roles_come_first_for_a_narrow_terminal(self) -> None:
        account = types.SimpleNamespace(
            user_id="17c3", roles=("reader", "member", "admin")
        )
        inspection = types.SimpleNamespace(account=lambda: account)
        patient = types.SimpleNamespace(inspection=lambda: inspection)
        (said,) = OfCloud(cast(Any, patient)).keystone()
        self.assertEqual("roles: admin, member, reader; user 17c3", said.what)


class ClocksTest(base.TestCase):
    def test_a_cinder_that_cannot_be_asked_is_said_once(self) -> None:
        said, _ = of_database.clocks(
            None, "it cannot be asked", datetime.timedelta(minutes=5)
        )
        self.assertEqual(
            "Cinder's clock is not compared: it cannot be asked", said.what
        )
        self.assertEqual("see cinder", said.todo)
