# SPDX-License-Identifier: Apache-2.0
"""From facts to findings."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable

from staffeln import ports
from staffeln.db.inspection import Galera
from staffeln.domain import errors, model, report
from staffeln.domain.findings import Finding
from staffeln.status.judging import of_cloud, of_database, of_host, of_policy
from staffeln.status.patient import Configured, DatabaseState, Office
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

NOW = samples.NOW
HOUR = datetime.timedelta(hours=1)
MINUTE = datetime.timedelta(minutes=1)


def said(found: Iterable[Finding]) -> list[tuple[str, str]]:
    """What is not praise: result and kind."""
    return [
        (each.result.value, each.kind) for each in found if each.kind != "ok"
    ]


def quota(limit: int, taken: int) -> report.Quota:
    return report.Quota(limit=limit, in_use=taken, reserved=0)


class RoleTest(base.TestCase):
    def judge(
        self,
        roles: tuple[str, ...] | errors.CloudError,
        volumes: int = 1,
        enabled: bool | None = None,
    ) -> Finding | None:
        return of_cloud.role(
            "p1", roles, volumes, enabled=enabled, user_id="u1"
        )

    def test_who_may_act(self) -> None:
        for roles in (("member",), ("Admin",), ("reader", "member")):
            self.assertIsNone(self.judge(roles))

    def test_who_may_not(self) -> None:
        refused = errors.NoRoleError("no")
        for roles, volumes, enabled, expected in (
            (refused, 2, None, ("error", "no-role")),
            (refused, 2, True, ("error", "no-role")),
            (refused, 0, True, ("warning", "no-role")),
            (refused, 2, False, ("warning", "project-disabled")),
            (("reader",), 2, None, ("warning", "role-not-enough")),
            (
                errors.NoAnswerError("late"),
                2,
                None,
                ("not-checked", "role-unread"),
            ),
        ):
            with self.subTest(expected):
                found = self.judge(roles, volumes, enabled)
                assert found is not None
                self.assertEqual([expected], said([found]))
                self.assertEqual({"project_id": "p1"}, dict(found.where))


class QuotaTest(base.TestCase):
    def judge(self, backups: report.Quota, size: report.Quota) -> object:
        found = of_cloud.quota(
            "p1", report.Quotas(backups=backups, gigabytes=size)
        )
        return found and (found.result.value, found.kind)

    def test_quotas(self) -> None:
        free = quota(report.UNLIMITED, 7)
        used = ("error", "quota-used-up")
        nearly = ("warning", "quota-nearly-used-up")
        for limit, expected in (
            (free, None),
            (quota(10, 8), None),
            (quota(10, 9), nearly),
            (quota(10, 10), used),
            (quota(0, 0), used),
        ):
            with self.subTest(limit=limit.limit, taken=limit.taken):
                self.assertEqual(expected, self.judge(limit, free))
                self.assertEqual(expected, self.judge(free, limit))

    def test_it_says_how_many_of_how_many(self) -> None:
        size = quota(20, 20)
        quotas = report.Quotas(backups=quota(10, 9), gigabytes=size)
        first = of_cloud.quota("p1", quotas)
        assert first is not None
        self.assertIn("9 of its 10 backups", first.what)
        quotas = report.Quotas(backups=size, gigabytes=size)
        first = of_cloud.quota("p1", quotas)
        assert first is not None
        self.assertIn("used up: 20 of 20 backups", first.what)

    def test_one_that_cannot_be_read(self) -> None:
        found = of_cloud.quota("p1", errors.NoAnswerError("late"))
        assert found is not None
        self.assertEqual([("not-checked", "quota-unread")], said([found]))


class ServiceTest(base.TestCase):
    def judge(self, *services: tuple[bool, bool]) -> list[tuple[str, str]]:
        return said(
            of_cloud.backup_services(
                [
                    model.BackupService(host="h", enabled=enabled, up=up)
                    for enabled, up in services
                ]
            )
        )

    def test_services(self) -> None:
        down, disabled = "backup-service-down", "backup-service-disabled"
        for services, expected in (
            ([(True, True)], []),
            ([], [("error", "no-backup-service")]),
            ([(True, False)], [("error", down)]),
            ([(False, True)], [("error", disabled)]),
            ([(True, True), (True, False)], [("warning", down)]),
        ):
            with self.subTest(services=services):
                self.assertEqual(expected, self.judge(*services))


class ProtectionTest(base.TestCase):
    def judge(self, **history: object) -> Finding | None:
        return of_database.protection(
            samples.candidate(),
            model.History(**history),  # type: ignore[arg-type]
            NOW,
            3 * HOUR,
        )

    def test_a_new_backup(self) -> None:
        self.assertIsNone(self.judge(last_success_at=NOW - HOUR))

    def test_one_under_way(self) -> None:
        self.assertIsNone(self.judge(live_since=NOW - HOUR))

    def test_none_and_old_ones(self) -> None:
        for history, kind in (
            ({}, "never-protected"),
            ({"live_since": NOW - 4 * HOUR}, "never-protected"),
            ({"last_success_at": NOW - 4 * HOUR}, "stale"),
        ):
            with self.subTest(kind):
                found = self.judge(**history)
                assert found is not None
                self.assertEqual([("warning", kind)], said([found]))

    def test_why_is_told(self) -> None:
        found = self.judge(unreported_failures=frozenset({"no role"}))
        assert found is not None
        self.assertIn("no role", found.what)
        self.assertIn("task list", found.todo)


class ApiTest(base.TestCase):
    def test_of_what_nobody_manages(self) -> None:
        for text in ("True", '"True"'):
            self.assertIsNone(of_policy.unmanaged_answer("u", 200, text, ()))
        for status, text in (
            (200, "False"),
            (403, "True"),
            (200, ""),
            (200, "true"),
            (200, "True\n"),
        ):
            found = of_policy.unmanaged_answer(
                "u", status, text, ["no schema"]
            )
            assert found is not None
            self.assertEqual("refuses-all", found.kind)
            self.assertIn("no schema", found.what)

    def test_of_what_is_managed(self) -> None:
        for text in ("False", '"False"'):
            self.assertIsNone(of_policy.managed_answer("u", "b", 200, text))
        for status, text, kind in (
            (200, "True", "allows-managed"),
            # The text alone is what counts for Cinder.
            (500, "True", "allows-managed"),
            (200, '"True"', "allows-managed"),
            (200, "True\n", "allows-managed"),
            (200, "true", "no-verdict"),
            (403, "False", "no-verdict"),
            (200, "", "no-verdict"),
        ):
            found = of_policy.managed_answer("u", "b", status, text)
            assert found is not None
            self.assertEqual(kind, found.kind)

    def test_what_is_invisible_is_shown(self) -> None:
        found = of_policy.unmanaged_answer("u", 200, "True\n", ())
        assert found is not None
        self.assertIn(r"'True\n'", found.what)

    def test_a_redirection(self) -> None:
        for found in (
            of_policy.unmanaged_answer("u", 307, "", ()),
            of_policy.managed_answer("u", "b", 307, ""),
        ):
            assert found is not None
            self.assertIn("redirects", found.todo)


class OthersTest(base.TestCase):
    def test_galera(self) -> None:
        for cluster, expected in (
            (None, []),
            (Galera(nodes=3, sync_wait=7), []),
            (Galera(nodes=3, sync_wait=15), []),
            (Galera(nodes=3, sync_wait=1), [("warning", "no-sync-wait")]),
        ):
            state = DatabaseState(server="s", where="w", galera=cluster)
            self.assertEqual(expected, said(of_database.galera(state)))

    def test_an_adopted_database_wants_the_key(self) -> None:
        adopted = model.Deployment(
            uuid="u", identity=None, adopted=True, selected_volumes=None
        )
        for is_set, expected in (
            (True, []),
            (False, [("error", "key-not-set")]),
        ):
            found = of_database.deployment(adopted, backup_key_is_set=is_set)
            self.assertEqual(expected, said(found))

    def test_options(self) -> None:
        found = of_host.configuration(
            Configured(
                files=("f",), unknown=("u",), outdated=("o",), wrong="w"
            )
        )
        self.assertEqual(
            [
                ("error", "wrong-option"),
                ("warning", "unknown-option"),
                ("warning", "outdated-option"),
            ],
            said(found),
        )

    def test_clocks(self) -> None:
        self.assertEqual(
            [("error", "clocks-apart"), ("not-checked", "clock-unread")],
            said(of_database.clocks("far", "it cannot be asked", HOUR)),
        )

    def test_an_incomplete_harvest(self) -> None:
        found = model.Inventory(
            candidates=(), complete=False, problems=("x is not read",)
        )
        self.assertEqual(
            [("warning", "not-read")], said(of_cloud.selection(found, "rule"))
        )

    def test_a_breaker_that_waits(self) -> None:
        waits = model.Breaker(tripped_at=NOW, would=60, total=100)
        self.assertEqual(
            [("error", "breaker")], said(of_database.brakes([], waits))
        )
        confirmed = dataclasses.replace(waits, confirmed_at=NOW)
        self.assertEqual([], said(of_database.brakes([], confirmed)))


class ConductorTest(base.TestCase):
    def conductor(
        self, host: str = "h1", backend: str = "lock", age: int = 0
    ) -> ports.Conductor:
        return ports.Conductor(
            id=f"{host}-{backend}",
            host=host,
            pid=1,
            backend=backend,
            started_at=NOW - HOUR,
            heartbeat_at=NOW - age * MINUTE,
        )

    def judge(
        self,
        *found: ports.Conductor,
        local: bool = False,
        ever: bool = True,
    ) -> list[tuple[str, str]]:
        mine = Office(
            description="lock",
            local=local,
            warning=None,
            missing_rights=list,
            probe=lambda: None,
        )
        return said(
            of_database.conductors(found, NOW, 2 * MINUTE, mine, ever=ever)
        )

    def test_they_live_and_agree(self) -> None:
        self.assertEqual(
            [], self.judge(self.conductor(), self.conductor("h2"))
        )

    def test_none_is_alive(self) -> None:
        silent = self.conductor(age=5)
        self.assertEqual([("error", "no-conductor")], self.judge(silent))
        self.assertEqual([("warning", "no-conductor")], self.judge(ever=False))

    def test_they_do_not_see_each_other(self) -> None:
        self.assertEqual(
            [("error", "backends-differ")],
            self.judge(self.conductor(), self.conductor(backend="other")),
        )
        self.assertEqual(
            [("error", "lock-of-one-host")],
            self.judge(self.conductor(), self.conductor("h2"), local=True),
        )
