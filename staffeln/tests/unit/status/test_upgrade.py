# SPDX-License-Identifier: Apache-2.0
"""How a doctor's findings become an upgrade check."""

from __future__ import annotations

from oslo_upgradecheck.upgradecheck import Code

from staffeln.domain.findings import (
    CHECKS,
    HELD,
    Checked,
    Examination,
    Finding,
    error,
    fine,
    not_checked,
    warning,
)
from staffeln.status import upgrade
from staffeln.tests import base


class UpgradeChecksTest(base.TestCase):
    def codes(
        self,
        found: dict[str, list[Finding]],
        before: dict[str, list[Finding]] | None = None,
    ) -> dict[str, tuple[Code, str | None]]:
        self.looks = 0

        def look() -> upgrade.Look:
            self.looks += 1
            return upgrade.Look(
                Examination(
                    checks=tuple(
                        Checked(name=name, findings=tuple(findings))
                        for name, findings in found.items()
                    ),
                    seconds=0,
                ),
                before or {},
            )

        checks = upgrade.UpgradeChecks(look)
        results = {
            title: upgrade._summed(title)(checks)
            for title in upgrade.LOOKED_AT
        }
        self.assertEqual(1, self.looks)
        return {
            title: (result.code, result.details)
            for title, result in results.items()
        }

    def test_what_is_looked_at_exists(self) -> None:
        names = [name for each in upgrade.LOOKED_AT.values() for name in each]
        self.assertEqual(set(), set(names) - set(CHECKS))
        self.assertEqual(len(names), len(set(names)))

    def test_all_is_well(self) -> None:
        codes = self.codes({"schema": [fine("so")], "clocks": [fine("on")]})
        self.assertEqual((Code.SUCCESS, "so"), codes["Schema"])
        self.assertEqual({Code.SUCCESS}, {code for code, _ in codes.values()})

    def test_the_worst_counts_and_comes_first(self) -> None:
        codes = self.codes(
            {
                "keystone": [fine("in")],
                "cinder": [warning("w", "slow", "wait")],
                "deployment": [error("e", "another cloud", "rebind")],
                "coordination": [not_checked("n", "away", "")],
            }
        )
        self.assertEqual(
            (Code.FAILURE, "another cloud (rebind); slow (wait)"),
            codes["Credentials"],
        )
        self.assertEqual((Code.WARNING, "away"), codes["Lock backend"])

    def test_what_waits_for_the_schema_is_told_once(self) -> None:
        codes = self.codes(
            {
                "schema": [error("e", "old", "upgrade")],
                "deployment": [not_checked(HELD, "see schema", "")],
                "clocks": [not_checked(HELD, "see schema", "")],
            },
            {"Clocks": [error("clocks-apart", "an hour", "NTP")]},
        )
        self.assertEqual(
            (Code.SUCCESS, upgrade.NOT_LOOKED_AT), codes["Credentials"]
        )
        self.assertEqual((Code.FAILURE, "an hour (NTP)"), codes["Clocks"])
