# SPDX-License-Identifier: Apache-2.0
"""Lists end, bad items are named, and what is shown is read right."""

import datetime
from collections.abc import Callable
from typing import Any

from staffeln.cloud import catalogue, openstack
from staffeln.domain import errors, model
from staffeln.tests import base
from staffeln.tests.unit.cloud import loopback
from staffeln.tests.unit.cloud.loopback import Reply, Request, fault

PROJECT = "ab" * 16
NEXT = [{"rel": "next", "href": "http://elsewhere.example/?marker=evil"}]
MADE = datetime.datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001


def server(name: str, **changes: Any) -> dict[str, Any]:
    """A row of Nova's list."""
    row: dict[str, Any] = {
        "id": name,
        "name": name,
        "tenant_id": PROJECT,
        "status": "ACTIVE",
        "metadata": {"__staffeln_backup": "true"},
        "OS-EXT-STS:task_state": None,
        "os-extended-volumes:volumes_attached": [{"id": "v1"}, {"id": "v2"}],
    }
    return {**row, **changes}


def volume(name: str, **changes: Any) -> dict[str, Any]:
    """A row of Cinder's list of volumes."""
    row: dict[str, Any] = {
        "id": name,
        "name": None,
        "os-vol-tenant-attr:tenant_id": PROJECT,
        "status": "in-use",
        "size": 3,
        "metadata": {},
        "attachments": [{"server_id": "s1"}, {"server_id": None}],
    }
    return {**row, **changes}


def backup(name: str, **changes: Any) -> dict[str, Any]:
    """A row of Cinder's list of backups."""
    row: dict[str, Any] = {
        "id": name,
        "os-backup-project-attr:project_id": PROJECT,
        "volume_id": "v1",
        "status": "available",
        "is_incremental": True,
        "created_at": "2026-01-02T03:04:05.000006",
        "size": 3,
        "metadata": {"a": "b"},
        "fail_reason": None,
    }
    return {**row, **changes}


def without(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """The row with less in it."""
    return {k: v for k, v in row.items() if k not in names}


class ReadingCase(base.TestCase):
    """Common ground."""

    def setUp(self) -> None:
        super().setUp()
        self.services = self.useFixture(loopback.LoopbackCloud())
        self.cloud = self.services.cloud()

    def serve(self, path: str, key: str, *pages: Any, **more: Any) -> None:
        """Answer with these pages; all but the last have a next link."""
        links = "backup_links" if key == "backups" else f"{key}_links"
        replies = [
            Reply(200, {key: page, links: NEXT, **more}) for page in pages[:-1]
        ]
        replies.append(Reply(200, {key: pages[-1], **more}))
        self.services.reply("GET", path, *replies)


class TestPages(ReadingCase):
    """Any list."""

    PATH = "/servers/detail"

    def serve_servers(self, *pages: Any) -> None:
        self.serve(self.PATH, "servers", *pages)

    def test_pages_are_asked_for_with_our_own_marker(self) -> None:
        # The service's own limit may be smaller than ours.
        self.serve_servers([server("a")], [server("b")], [])
        pages = list(self.cloud.server_pages())
        self.assertEqual(
            ["a", "b"], [row.id for page in pages for row in page.items]
        )
        queries = [r.query for r in self.services.asked("GET", self.PATH)]
        self.assertEqual(
            [
                {"all_tenants": "1", "limit": "2"},
                {"all_tenants": "1", "limit": "2", "marker": "a"},
                {"all_tenants": "1", "limit": "2", "marker": "b"},
            ],
            queries,
        )

    def test_a_full_page_without_a_link_is_the_last(self) -> None:
        self.serve_servers([server("a"), server("b")])
        self.assertEqual(1, len(list(self.cloud.server_pages())))

    def test_nothing_is_asked_before_it_is_wanted(self) -> None:
        self.serve_servers([server("a")], [])
        pages = self.cloud.server_pages()
        self.assertEqual([], self.services.requests)
        next(pages)
        self.assertEqual(1, len(self.services.asked("GET", self.PATH)))

    def test_a_list_without_an_end_is_given_up(self) -> None:
        page = [server("a"), server("b")]
        lists: list[list[Any]] = [
            [page] * 3,
            [page, [server("c")], page, page],
            [[], []],
            [[{}], [{}]],
        ]
        for pages in lists:
            self.serve_servers(*pages)
            self.assertRaises(
                errors.MalformedAnswerError, list, self.cloud.server_pages()
            )

    def test_a_list_must_be_a_list(self) -> None:
        shapes: list[Any] = [{}, None, "x"]
        for rows in shapes:
            self.serve_servers(rows)
            self.assertRaises(
                errors.MalformedAnswerError, list, self.cloud.server_pages()
            )

    def test_a_bad_item_is_named_and_the_rest_read(self) -> None:
        bad = [
            server("b1", metadata=[]),
            server("b2", metadata={"a": 1}),
            server("b3", **{"os-extended-volumes:volumes_attached": [{}]}),
            server("b4", **{"os-extended-volumes:volumes_attached": 7}),
            server("b5", tenant_id={}),
            {"id": 7},
            {},
            None,
            "text",
        ]
        self.serve_servers([*bad, server("good")])
        (page,) = self.cloud.server_pages()
        self.assertEqual(["good"], [row.id for row in page.items])
        self.assertEqual(len(bad), len(page.problems))
        self.assertIn("id b1", page.problems[0])
        self.assertIn("item 1 of page 1 of servers", page.problems[0])
        self.assertIn("id not known", page.problems[-1])

    def test_a_marker_that_was_deleted_has_a_stand_in(self) -> None:
        def page(request: Request) -> Reply:
            marker = request.query.get("marker")
            if marker == "b":
                return fault("badRequest", 400, "marker [b] not found")
            rows = {
                None: [server("a"), server("b")],
                "a": [server("b"), server("c")],
            }[marker]
            more = {"servers_links": NEXT} if marker is None else {}
            return Reply(200, {"servers": rows, **more})

        self.services.reply("GET", self.PATH, page)
        pages = list(self.cloud.server_pages())
        self.assertEqual(
            [["a", "b"], ["c"]], [[r.id for r in p.items] for p in pages]
        )

    def test_a_marker_that_no_stand_in_helps_is_an_error(self) -> None:
        self.services.reply(
            "GET",
            self.PATH,
            Reply(
                200,
                {
                    "servers": [server("a"), server("b")],
                    "servers_links": NEXT,
                },
            ),
            fault("badRequest", 400, "marker not found"),
        )
        self.assertRaises(
            errors.InvalidRequestError, list, self.cloud.server_pages()
        )

    def test_the_count_spares_the_last_call(self) -> None:
        self.serve(
            "/backups/detail",
            "backups",
            [backup("b"), backup("a")],
            [],
            count=2,
        )
        (page,) = self.cloud.backup_pages(status="creating")
        self.assertEqual(2, page.total)
        (request,) = self.services.asked("GET", "/backups/detail")
        self.assertEqual(
            {
                "all_tenants": "1",
                "limit": "2",
                "sort": "created_at:desc",
                "with_count": "true",
                "status": "creating",
            },
            request.query,
        )

    def test_only_the_first_page_counts(self) -> None:
        self.serve(
            "/volumes/detail",
            "volumes",
            [volume("a"), volume("b")],
            [volume("c")],
            count=3,
        )
        self.assertEqual(
            [3, None], [page.total for page in self.cloud.volume_pages()]
        )
        queries = [
            request.query.get("with_count")
            for request in self.services.asked("GET", "/volumes/detail")
        ]
        self.assertEqual(["true", None], queries)


class TestRows(ReadingCase):
    """What one row says."""

    def test_a_server(self) -> None:
        self.serve("/servers/detail", "servers", [server("a")])
        (page,) = self.cloud.server_pages()
        self.assertEqual(
            model.Server(
                id="a",
                name="a",
                project_id=PROJECT,
                status="ACTIVE",
                task_state=None,
                metadata={"__staffeln_backup": "true"},
                volume_ids=("v1", "v2"),
            ),
            page.items[0],
        )

    def test_when_a_server_was_made(self) -> None:
        table: list[tuple[object, datetime.datetime | None]] = [
            ("2026-01-02T03:04:05Z", MADE),
            ("2026-01-02T03:04:05", MADE),
            ("2026-01-02T05:04:05+02:00", MADE),
            ("0001-01-01T00:00:00+02:00", None),
            ("yesterday", None),
            ("", None),
            (None, None),
            (7, None),
            ([], None),
        ]
        rows = [
            server(f"s{number}", created=value)
            for number, (value, _) in enumerate(table)
        ]
        self.serve("/servers/detail", "servers", [*rows, server("without")])
        (page,) = self.cloud.server_pages()
        self.assertEqual((), page.problems)
        self.assertTrue(all(row.readable for row in page.items))
        self.assertEqual(
            [*(made for _, made in table), None],
            [row.created_at for row in page.items],
        )

    def test_one_server(self) -> None:
        self.serve("/servers/detail", "servers", [server("a")])
        (page,) = self.cloud.server_pages()
        self.services.reply(
            "GET", "/servers/a", Reply(200, {"server": server("a")})
        )
        self.assertEqual(page.items[0], self.cloud.server("a"))
        (request,) = self.services.asked("GET", "/servers/a")
        self.assertEqual(
            "compute 2.69", request.headers["openstack-api-version"]
        )

    def test_one_server_that_lists_do_not_show(self) -> None:
        for row, status, readable in (
            (server("a", status="SOFT_DELETED"), "SOFT_DELETED", True),
            (
                {"id": "a", "tenant_id": PROJECT, "status": "UNKNOWN"},
                "UNKNOWN",
                False,
            ),
        ):
            self.services.reply(
                "GET", "/servers/a", Reply(200, {"server": row})
            )
            found = self.cloud.server("a")
            self.assertEqual(
                (status, readable), (found.status, found.readable)
            )

    def test_only_novas_own_words_prove_that_a_server_is_gone(self) -> None:
        words = "Instance a could not be found."
        table: list[tuple[Reply, type[errors.CloudError]]] = [
            (fault("itemNotFound", 404, words), errors.NotFoundError),
            (fault("error", 404, words), errors.NoAnswerError),
            (Reply(404, f"<html>{words}</html>"), errors.NoAnswerError),
            (Reply(404, {}), errors.NoAnswerError),
            (fault("forbidden", 403, "no"), errors.ForbiddenError),
            (Reply(200, {"server": None}), errors.MalformedAnswerError),
            (Reply(200, {"servers": []}), errors.MalformedAnswerError),
        ]
        for reply, kind in table:
            with self.subTest(reply=str(reply)):
                self.services.reply("GET", "/servers/a", reply)
                error = self.assertRaises(
                    errors.CloudError, self.cloud.server, "a"
                )
                self.assertIs(kind, type(error))

    def test_the_id_of_a_server_is_no_path(self) -> None:
        self.services.reply(
            "GET",
            "/servers/..%2Fa%3Fb%C3%A4",
            Reply(200, {"server": server("a")}),
        )
        self.assertEqual("a", self.cloud.server("../a?bä").id)

    def test_a_server_that_shows_too_little_is_unread(self) -> None:
        rows = [
            server("a", status="UNKNOWN"),
            without(server("b"), "status"),
            without(server("c"), "metadata"),
            without(server("d"), "os-extended-volumes:volumes_attached"),
            without(server("e"), "tenant_id"),
            {"id": "f", "status": "UNKNOWN"},
        ]
        self.serve("/servers/detail", "servers", rows)
        (page,) = self.cloud.server_pages()
        self.assertEqual([False] * 6, [row.readable for row in page.items])
        self.assertEqual((), page.problems)

    def test_what_could_not_be_stored_is_a_problem_of_its_item(self) -> None:
        ids: list[Any] = [7, "x" * 65, "", None, "x\0", "\ud800"]
        sizes = ["3", 3.5, None, True, -1, 2**31]
        meta: list[Any] = [{"a": 1}, {"a": None}, "text", ["a"]]
        table: list[tuple[str, Any, str, dict[str, list[Any]]]] = [
            (
                "servers",
                server,
                "/servers/detail",
                {
                    "name": [7, ["n"], {}],
                    "tenant_id": [7, "x" * 65, ""],
                    "status": [7, ["ACTIVE"]],
                    "metadata": meta,
                    "OS-EXT-STS:task_state": [7, {}],
                    "os-extended-volumes:volumes_attached": [
                        [{"id": each}] for each in ids
                    ],
                },
            ),
            (
                "volumes",
                volume,
                "/volumes/detail",
                {
                    "name": [7, ["n"], {}],
                    "os-vol-tenant-attr:tenant_id": ids,
                    "status": [7, None, ["in-use"]],
                    "size": sizes,
                    "metadata": meta,
                    "attachments": [[{"server_id": each}] for each in ids[:2]],
                },
            ),
            (
                "backups",
                backup,
                "/backups/detail",
                {
                    "os-backup-project-attr:project_id": ids,
                    "volume_id": ids,
                    "status": [7, None, []],
                    "size": sizes,
                    "metadata": meta,
                    "fail_reason": [7, ["disk"]],
                    "user_id": [7, "x" * 65, "", ["u"]],
                },
            ),
        ]
        pages: dict[str, Callable[[], Any]] = {
            "servers": self.cloud.server_pages,
            "volumes": self.cloud.volume_pages,
            "backups": self.cloud.backup_pages,
        }
        for key, make, path, fields in table:
            bad = [("id", "x" * 65)] + [
                (field, value)
                for field, values in fields.items()
                for value in values
            ]
            rows = [
                {**make(f"bad-{number}"), field: value}
                for number, (field, value) in enumerate(bad)
            ]
            self.serve(path, key, [*rows, make("good")])
            (page,) = pages[key]()
            with self.subTest(key=key):
                self.assertEqual(["good"], [row.id for row in page.items])
                for number, problem in enumerate(page.problems[1:], 1):
                    self.assertIn(f"(id bad-{number})", problem)
                self.assertEqual(len(bad), len(page.problems))

    def test_names_that_nobody_gave_are_empty(self) -> None:
        self.serve(
            "/servers/detail", "servers", [server("a") | {"name": None}]
        )
        self.serve(
            "/volumes/detail", "volumes", [volume("a") | {"name": None}]
        )
        (servers,) = self.cloud.server_pages()
        (volumes,) = self.cloud.volume_pages()
        self.assertEqual(
            ["", ""], [servers.items[0].name, volumes.items[0].name]
        )

    def test_cinders_words_about_a_failure_are_one_clean_line(self) -> None:
        words = "disk\n\x1b[31m <b>full</b> //u:pw@h " + "x" * 999
        row = backup("a", status="error", fail_reason=words)
        self.services.reply("GET", "/backups/a", Reply(200, {"backup": row}))
        found = self.cloud.backup("a").fail_reason
        assert found
        self.assertEqual("disk [31m full //***@h", found.partition(" x")[0])
        self.assertLessEqual(len(found), 300)

    def test_a_volume(self) -> None:
        self.services.reply(
            "GET", "/volumes/a", Reply(200, {"volume": volume("a")})
        )
        self.assertEqual(
            model.Volume(
                id="a",
                name="",
                project_id=PROJECT,
                status="in-use",
                size=3,
                metadata={},
                server_ids=("s1",),
            ),
            self.cloud.volume("a"),
        )

    def test_a_backup(self) -> None:
        self.services.reply(
            "GET",
            "/backups/a",
            Reply(
                200,
                {"backup": backup("a", status="error", fail_reason="disk")},
            ),
        )
        self.assertEqual(
            model.CloudBackup(
                id="a",
                project_id=PROJECT,
                volume_id="v1",
                status="error",
                incremental=True,
                created_at=datetime.datetime(2026, 1, 2, 3, 4, 5, 6),  # noqa: DTZ001
                size=3,
                metadata={"a": "b"},
                fail_reason="disk",
            ),
            self.cloud.backup("a"),
        )

    def test_who_made_a_backup_where_cinder_tells(self) -> None:
        rows = [
            backup("c", user_id=loopback.USER),
            backup("b", user_id=None),
            backup("a"),
        ]
        self.serve("/backups/detail", "backups", rows)
        (page,) = self.cloud.backup_pages()
        self.assertEqual(
            [loopback.USER, None, None], [each.user_id for each in page.items]
        )

    def test_a_time_with_a_zone_becomes_utc(self) -> None:
        row = backup("a", created_at="2026-01-02T05:04:05+02:00")
        self.services.reply("GET", "/backups/a", Reply(200, {"backup": row}))
        self.assertEqual(3, self.cloud.backup("a").created_at.hour)

    def test_a_malformed_backup_is_no_answer(self) -> None:
        for changes in (
            {"is_incremental": "no"},
            {"created_at": None},
            {"created_at": "yesterday"},
            {"size": None},
            {"volume_id": ""},
            {"os-backup-project-attr:project_id": None},
        ):
            row = backup("a", **changes)
            self.services.reply(
                "GET", "/backups/a", Reply(200, {"backup": row})
            )
            self.assertRaises(
                errors.MalformedAnswerError, self.cloud.backup, "a"
            )

    def test_the_newest_backup_is_one_row(self) -> None:
        self.serve("/backups/detail", "backups", [backup("a")])
        found = self.cloud.newest_backup(70)
        assert found is not None
        self.assertEqual("a", found.id)
        (request,) = self.services.asked("GET", "/backups/detail")
        self.assertEqual("70", request.query["offset"])
        self.assertEqual("1", request.query["limit"])
        self.serve("/backups/detail", "backups", [])
        self.assertIsNone(self.cloud.newest_backup(70))

    def test_backup_services(self) -> None:
        rows = [
            {"host": "a", "status": "enabled", "state": "up"},
            {"host": "b", "status": "disabled", "state": "down"},
            {"binary": "cinder-volume", "host": "c"},
        ]
        self.services.reply(
            "GET", "/os-services", Reply(200, {"services": rows})
        )
        self.assertEqual(
            [
                model.BackupService(host="a", enabled=True, up=True),
                model.BackupService(host="b", enabled=False, up=False),
            ],
            self.cloud.backup_services(),
        )

    def test_a_projects_list_must_be_whole(self) -> None:
        self.services.projects.add(PROJECT)
        member = without(backup("a"), "os-backup-project-attr:project_id")
        self.serve(
            "/backups/detail",
            "backups",
            [member, backup("b", volume_id="v2")],
        )
        (found,) = self.cloud.backups_of_volume(PROJECT, "v1")
        self.assertEqual(("a", PROJECT), (found.id, found.project_id))
        (request,) = self.services.asked("GET", "/backups/detail")
        self.assertNotIn("all_tenants", request.query)
        self.assertEqual("v1", request.query["volume_id"])
        self.serve("/backups/detail", "backups", [member, {"id": "x"}])
        self.assertRaises(
            errors.MalformedAnswerError,
            self.cloud.backups_of_volume,
            PROJECT,
            "v1",
        )

    def test_a_cloud_without_filters_for_members(self) -> None:
        self.services.projects.add(PROJECT)

        def answer(request: Request) -> Reply:
            if "volume_id" in request.query:
                return fault("badRequest", 400, "Invalid filters volume_id")
            rows = [backup("a"), backup("b", volume_id="v2")]
            return Reply(200, {"backups": rows})

        self.services.reply("GET", "/backups/detail", answer)
        found = self.cloud.backups_of_volume(PROJECT, "v1")
        self.assertEqual(["a"], [each.id for each in found])


class TestTime(ReadingCase):
    """Cinder's clock."""

    def serve_date(self, text: str) -> None:
        reply = Reply(200, {"backups": []}, {"Date": text})
        self.services.reply("GET", "/backups", reply)

    def test_it_is_the_date_of_an_answer(self) -> None:
        for text in (
            "Fri, 02 Jan 2026 03:04:05 GMT",
            "Fri, 02 Jan 2026 03:04:05 -0000",
            "Fri, 02 Jan 2026 05:04:05 +0200",
        ):
            self.serve_date(text)
            self.assertEqual(
                datetime.datetime(2026, 1, 2, 3, 4, 5),  # noqa: DTZ001
                self.cloud.time(),
            )
        self.assertEqual(
            {"limit": "1"}, self.services.asked("GET", "/backups")[0].query
        )

    def test_a_date_that_is_none_is_malformed(self) -> None:
        for text in (
            "",
            "now",
            "2026-01-02T03:04:05Z",
            "Fri, 32 Jan 2026 03:04:05 GMT",
            "Fri, 31 Dec 9999 23:00:00 -0200",
        ):
            with self.subTest(text=text):
                self.serve_date(text)
                error = self.assertRaises(
                    errors.MalformedAnswerError, self.cloud.time
                )
                self.assertIn("Date", str(error))
        self.services.reply(
            "GET", "/backups", Reply(200, {"backups": []}, undated=True)
        )
        self.assertRaises(errors.MalformedAnswerError, self.cloud.time)

    def test_only_cinders_own_answer_counts(self) -> None:
        bodies: list[Any] = ["<html>Sign in</html>", {"versions": []}]
        for body in bodies:
            self.services.reply("GET", "/backups", Reply(200, body))
            self.assertRaises(errors.MalformedAnswerError, self.cloud.time)


class TestCreating(ReadingCase):
    """What the create call says."""

    def test_force_only_when_asked(self) -> None:
        self.services.projects.add(PROJECT)
        self.services.reply(
            "POST", "/backups", Reply(202, {"backup": {"id": "new"}})
        )
        for force in (False, True):
            found = self.cloud.create_backup(
                model.BackupRequest(
                    project_id=PROJECT,
                    volume_id="v1",
                    name="näme",
                    incremental=True,
                    force=force,
                    metadata={"staffeln_task": "t"},
                )
            )
            self.assertEqual("new", found)
        plain, forced = self.services.asked("POST", "/backups")
        expected = {
            "volume_id": "v1",
            "name": "näme",
            "incremental": True,
            "metadata": {"staffeln_task": "t"},
        }
        self.assertEqual({"backup": expected}, plain.body)
        self.assertEqual({"backup": {**expected, "force": True}}, forced.body)
        self.assertEqual("volume 3.64", plain.headers["openstack-api-version"])
        self.assertEqual(f"token-{PROJECT}-1", plain.headers["x-auth-token"])


class TestDeleting(ReadingCase):
    """What Cinder forgets to look at."""

    def test_children_in_other_projects_forbid_it(self) -> None:
        self.services.reply("DELETE", "/backups/a", Reply(202))
        rows = [{"id": "child"}, {"id": "other"}]
        self.services.reply("GET", "/backups", Reply(200, {"backups": rows}))
        error = self.assertRaises(
            errors.DependentsError, self.cloud.delete_backup, "a"
        )
        self.assertEqual(("child", "other"), error.backups)
        self.assertIn("held by backup child, other", str(error))
        self.assertEqual([], self.services.asked("DELETE", "/backups/a"))
        (request,) = self.services.asked("GET", "/backups")
        self.assertEqual(
            {"all_tenants": "1", "parent_id": "a", "limit": "5"},
            request.query,
        )

    def test_children_that_cannot_be_read_forbid_it(self) -> None:
        self.services.reply("DELETE", "/backups/a", Reply(202))
        bodies: list[Any] = [
            {},
            {"backups": None},
            {"backups": {"a": 1}},
            {"backups": [{}]},
            {"backups": [{"id": 7}]},
        ]
        for body in bodies:
            self.services.reply("GET", "/backups", Reply(200, body))
            self.assertRaises(
                errors.MalformedAnswerError, self.cloud.delete_backup, "a"
            )
        self.assertEqual([], self.services.asked("DELETE", "/backups/a"))

    def test_children_that_cinder_alone_knows_are_its_words(self) -> None:
        words = "Invalid backup: Incremental backups exist for this backup."
        self.services.reply("GET", "/backups", Reply(200, {"backups": []}))
        self.services.reply(
            "DELETE", "/backups/a", fault("badRequest", 400, words)
        )
        error = self.assertRaises(
            errors.InvalidRequestError, self.cloud.delete_backup, "a"
        )
        self.assertIs(errors.InvalidRequestError, type(error))
        self.assertIn(words, str(error))

    def test_without_children_it_is_asked_for(self) -> None:
        self.services.reply("DELETE", "/backups/a", Reply(202))
        self.services.reply("GET", "/backups", Reply(200, {"backups": []}))
        self.cloud.delete_backup("a")
        (request,) = self.services.asked("DELETE", "/backups/a")
        self.assertEqual(
            f"token-{loopback.SERVICE_PROJECT}-1",
            request.headers["x-auth-token"],
        )


class TestPlaces(ReadingCase):
    """The catalogue and what it leads to."""

    def test_the_identity_of_a_cloud(self) -> None:
        for in_project in (False, True):
            self.services.in_project = in_project
            self.assertEqual(
                model.CloudIdentity(
                    auth_url=self.services.url,
                    region="RegionOne",
                    block_storage_url=f"{self.services.url}/volume/v3",
                    user_id=loopback.USER,
                ),
                self.services.cloud().identity(),
            )

    def test_a_project_in_the_url_is_that_of_the_scope(self) -> None:
        self.services.in_project = True
        self.services.projects.add(PROJECT)
        self.serve("/backups/detail", "backups", [])
        self.cloud.backups_of_volume(PROJECT, "v1")
        list(self.cloud.backup_pages())
        self.assertEqual(
            [
                f"/volume/v3/{PROJECT}/backups/detail",
                f"/volume/v3/{loopback.SERVICE_PROJECT}/backups/detail",
            ],
            [r.path for r in self.services.asked("GET", "/backups/detail")],
        )

    def test_several_regions_ask_for_a_choice(self) -> None:
        self.services.regions = ["North", "South"]
        error = self.assertRaises(
            errors.ConfigurationError, self.cloud.identity
        )
        self.assertIn("North, South", str(error))
        known = self.services.credentials(region="South")
        cloud = self.services.cloud(credentials=known)
        self.assertEqual("South", cloud.identity().region)

    def test_an_unknown_region_or_interface_is_told(self) -> None:
        for changes in ({"region": "West"}, {"interface": "internal"}):
            known = self.services.credentials(**changes)
            cloud = self.services.cloud(credentials=known)
            error = self.assertRaises(
                errors.ConfigurationError, cloud.identity
            )
            self.assertIn(next(iter(changes.values())), str(error))

    def test_a_place_in_the_catalogue_that_is_no_url_is_told(self) -> None:
        for url in ("http://[::1/v3", "http://h:99999/v3"):
            self.services.extra["catalog"] = [
                {
                    "type": "volumev3",
                    "name": "cinder",
                    "endpoints": [
                        {
                            "interface": "public",
                            "region": "R",
                            "region_id": "R",
                            "url": url,
                        }
                    ],
                }
            ]
            error = self.assertRaises(
                errors.ConfigurationError, self.services.cloud().identity
            )
            self.assertIn("Cinder in the catalogue is no URL", str(error))

    def test_an_endpoint_may_be_set(self) -> None:
        known = self.services.credentials(
            endpoints={"block-storage": f"{self.services.url}/volume/"},
            region="R",
        )
        found = self.services.cloud(credentials=known).identity()
        self.assertEqual(
            f"{self.services.url}/volume/v3", found.block_storage_url
        )

    def test_a_cloud_that_is_too_old_is_told(self) -> None:
        self.services.versions["cinder"] = "3.44"
        error = self.assertRaises(errors.CloudError, self.cloud.identity)
        self.assertIn("too old: it speaks microversion 3.44", str(error))

    def test_an_older_cloud_that_will_do(self) -> None:
        self.services.versions["cinder"] = "3.50"
        self.serve("/backups/detail", "backups", [])
        list(self.cloud.backup_pages())
        (request,) = self.services.asked("GET", "/backups/detail")
        self.assertEqual(
            "volume 3.50", request.headers["openstack-api-version"]
        )

    def test_a_document_of_versions_that_is_none(self) -> None:
        self.services.versions["cinder"] = "three"
        self.assertRaises(errors.MalformedAnswerError, self.cloud.identity)

    def test_services_are_named_for_the_observer(self) -> None:
        seen: list[tuple[object, ...]] = []
        cloud = openstack.OpenStackCloud(
            self.services.settings(), observe=lambda *call: seen.append(call)
        )
        self.services.in_project = True
        self.serve("/backups/detail", "backups", [])
        list(cloud.backup_pages())
        self.assertRaises(errors.NoAnswerError, cloud.backup, "ab" * 16)
        self.assertEqual(
            [
                ("identity", "GET", "/v3", 200),
                ("identity", "POST", "/v3/auth/tokens", 201),
                ("block-storage", "GET", "/", 200),
                ("block-storage", "GET", "/backups/detail", 200),
                ("block-storage", "GET", "/backups/{id}", 404),
            ],
            [call[:4] for call in seen],
        )

    def test_a_service_has_its_place(self) -> None:
        place = catalogue.Endpoint("http://x/v3", "R", True, {})
        self.assertEqual("http://x/v3/p", place.for_project("p"))
        self.assertEqual("http://x/v3", place.for_project(None))
