# SPDX-License-Identifier: Apache-2.0
"""Whether Nova shows all that it lists."""

from __future__ import annotations

from staffeln.domain import errors
from staffeln.tests import base
from staffeln.tests.unit.cloud import loopback
from staffeln.tests.unit.cloud.loopback import Reply
from staffeln.tests.unit.cloud.test_reading import server
from staffeln.workflow import witness


class NovaTest(base.TestCase):
    """A list is no proof that a server is shown by its id."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.cloud = self.services.cloud()

    def shown(self) -> None:
        """As the doctor looks."""
        door = self.cloud.inspection.nova()
        self.assertEqual("2.69", door.microversion)
        witness.prove_shown(self.cloud, door.witnesses)

    def lists(self, *names: str) -> None:
        self.services.reply(
            "GET",
            "/servers/detail",
            Reply(
                200,
                {"servers": [server(x, tenant_id=f"of {x}") for x in names]},
            ),
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

    def test_one_that_is_deleted_meanwhile_hides_nothing(self) -> None:
        self.lists("gone", "there", "too")
        self.hides("gone")
        self.knows("there")
        self.knows("too")
        self.shown()

    def test_a_cloud_without_servers_hides_none(self) -> None:
        self.lists()
        self.shown()

    def test_what_is_only_listed_is_no_administrators_view(self) -> None:
        self.lists(*"abcdef")
        self.hides(*"abcdef")
        error = self.assertRaises(errors.NotAdministratorError, self.shown)
        self.assertIn("0 of 4 listed", str(error))
        self.assertIn("context_is_admin", str(error))
        self.assertEqual([], self.services.asked("GET", "/servers/e"))
