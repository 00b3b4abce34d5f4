# SPDX-License-Identifier: Apache-2.0
"""Whether Nova shows all that it lists."""

from __future__ import annotations

from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.unit.cloud import loopback
from staffeln.tests.unit.cloud.loopback import Reply
from staffeln.tests.unit.cloud.test_reading import server


class NovaTest(base.TestCase):
    """A list is no proof that a server is shown by its id."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.look = self.services.cloud().inspection

    def lists(self, *names: str) -> None:
        self.services.reply(
            "GET",
            "/servers/detail",
            Reply(200, {"servers": [server(name) for name in names]}),
        )

    def knows(self, name: str) -> None:
        self.services.reply(
            "GET", f"/servers/{name}", Reply(200, {"server": server(name)})
        )

    def hides(self, *names: str) -> None:
        for name in names:
            self.services.reply(
                "GET",
                f"/servers/{name}",
                loopback.fault(
                    "itemNotFound", 404, f"Instance {name} could not be found."
                ),
            )

    def test_one_that_is_shown_is_enough(self) -> None:
        self.lists("gone", "there")
        self.hides("gone")
        self.knows("there")
        self.assertEqual("2.69", self.look.nova().microversion)

    def test_a_cloud_without_servers_hides_none(self) -> None:
        self.lists()
        self.assertEqual("2.69", self.look.nova().microversion)

    def test_what_is_only_listed_is_no_administrators_view(self) -> None:
        self.lists("a", "b", "c", "d")
        self.hides("a", "b", "c")
        error = self.assertRaises(errors.NotAdministratorError, self.look.nova)
        self.assertIn("context_is_admin", str(error))
        self.assertIn("Instance c", str(error))
