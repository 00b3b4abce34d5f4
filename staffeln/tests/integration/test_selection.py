# SPDX-License-Identifier: Apache-2.0
"""Which servers are selected, and what users may call things."""

from __future__ import annotations

from staffeln.tests.integration import base


class SelectionTest(base.IntegrationTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.tenant = self.sandbox.project(self.key)

    def test_only_true_selects(self) -> None:
        selected = self.tenant.volume("selected")
        self.tenant.server("s", selected, metadata={self.key: "TRUE"})
        others = {}
        for value in ("false", "yes", ""):
            volume = self.tenant.volume(f"value {value!r}")
            self.tenant.server("s", volume, metadata={self.key: value})
            others[value] = volume
        untagged = self.tenant.volume("untagged")
        self.tenant.server("s", untagged)
        conductor = self.deployment()
        conductor.start()
        self.wait_for_backups(selected, "full")
        self.wait_for_log(conductor, "that is neither true nor false")
        tasks = conductor.show("task", "list")
        self.assertEqual({selected}, {each["volume_id"] for each in tasks})
        for volume in (*others.values(), untagged):
            self.assertEqual([], self.backups_of(volume))
        self.assertIn("'yes'", conductor.log())

    def test_a_volume_can_be_left_out_by_its_own_metadata(self) -> None:
        root = self.tenant.volume("root")
        left_out = self.tenant.volume("no", metadata={self.key: "false"})
        self.tenant.server("s", root, left_out, metadata=self.tag)
        conductor = self.deployment()
        conductor.start()
        self.wait_for_backups(root, "full")
        self.wait_for_log(conductor, "1 opted out")
        self.assertEqual([], self.backups_of(left_out))

    def test_long_and_foreign_names_give_names_that_cinder_takes(
        self,
    ) -> None:
        names = ("v" * 255, "höchst-geheim-数据-💾", "")
        volumes = []
        for name in names:
            volume = self.tenant.volume(name)
            self.tenant.server(
                "s" * 255 if len(name) == 255 else "sërver-服务器",
                volume,
                metadata=self.tag,
            )
            volumes.append(volume)
        conductor = self.deployment()
        conductor.start()
        made = [
            self.wait_for_backups(volume, "full")[0]["name"]
            for volume in volumes
        ]
        self.assertEqual(255, len(made[0]))
        self.assertRegex(made[0], r"_v+_\d{8}T\d{6}Z$")
        self.assertIn("sërver-服务器_höchst-geheim-数据-💾_", made[1])
        self.assertIn(f"_{volumes[2]}_", made[2])
