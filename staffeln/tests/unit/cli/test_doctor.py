# SPDX-License-Identifier: Apache-2.0
"""``staffeln doctor``: what it asks for, shows, and ends with."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import fixtures

from staffeln.cli import app, examined
from staffeln.cli.doors import Doors
from staffeln.domain import errors, findings
from staffeln.domain.findings import (
    CHECKS,
    Checked,
    CheckRequest,
    Examination,
    Finding,
)
from staffeln.tests import base


def no_role(number: int) -> Finding:
    project = f"{number:032}"
    return findings.error(
        "no-role",
        f"the service user has no role in project {project}, which has 4 "
        "selected volume(s)",
        f"openstack role add --user 59b68abb723da815407818f24293ca92 "
        f"--project {project} member",
        project_id=project,
    )


def examination(*checks: tuple[str, Sequence[Finding]]) -> Examination:
    return Examination(
        checks=findings.in_order(
            Checked(name=name, findings=tuple(found), seconds=0.25)
            for name, found in checks
        ),
        seconds=1.5,
    )


SICK = examination(
    ("keystone", [findings.fine("user u, roles: admin")]),
    ("roles", [no_role(number) for number in range(8)]),
    (
        "mail",
        [
            findings.warning(
                "x", "it says \x1b[31mred\u202e and \n so on", "write to them"
            )
        ],
    ),
    (
        "orphans",
        [
            findings.not_checked(
                findings.HELD, "it needs cinder, see there", "see cinder"
            )
        ],
    ),
)
WELL = examination(("keystone", [findings.fine("user u")]))


class DoctorTest(base.TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.found = WELL
        self.asked: list[CheckRequest] = []

    def examine(self, asked: CheckRequest) -> Examination:
        self.asked.append(asked)
        return self.found

    def doctor(self, *arguments: str) -> tuple[int, str, str]:
        def no_doors(_: Sequence[str]) -> Doors:
            raise errors.ConfigurationError("broken")

        out, err = io.StringIO(), io.StringIO()
        with (
            fixtures.MonkeyPatch("sys.stdout", out),
            fixtures.MonkeyPatch("sys.stderr", err),
        ):
            code = app.main(
                ("--config-file", "/f", "doctor", *arguments),
                no_doors,
                self.examine,
            )
        return code, out.getvalue(), err.getvalue()

    def test_all_checks_are_asked_for(self) -> None:
        self.doctor()
        (asked,) = self.asked
        self.assertEqual(list(CHECKS), list(asked.checks))
        self.assertEqual((["/f"], 30.0), (asked.config_files, asked.limit))

    def test_some_checks(self) -> None:
        self.doctor("--check", "roles", "--check", "nova")
        self.doctor("--skip", "policy", "--timeout", "5")
        first, second = self.asked
        self.assertEqual(["nova", "roles"], list(first.checks))
        self.assertEqual(len(CHECKS) - 1, len(second.checks))
        self.assertNotIn("policy", second.checks)
        self.assertEqual(5, second.limit)

    def test_a_command_line_that_is_wrong(self) -> None:
        for arguments in (
            ("--check", "nix"),
            ("--check", "nova", "--skip", "nova"),
            ("--timeout", "0"),
            ("--timeout", "soon"),
            ("--timeout", "nan"),
            ("--max-width", "-1"),
            ("--max-width", "9" * 30),
            [word for name in CHECKS for word in ("--skip", name)],
        ):
            code, out, err = self.doctor(*arguments)
            self.assertEqual((2, ""), (code, out))
            self.assertNotEqual("", err)
            self.assertNotIn("_", err)
        self.assertEqual([], self.asked)

    def test_the_exit_code_is_that_of_the_worst(self) -> None:
        for made, code in (
            (findings.fine("x"), 0),
            (findings.warning("k", "x", "y"), 1),
            (findings.not_checked("k", "x", "y"), 1),
            (findings.error("k", "x", "y"), 2),
        ):
            for arguments in ((), ("--json",)):
                self.found = examination(
                    ("nova", [findings.fine("x")]), ("mail", [made])
                )
                self.assertEqual(code, self.doctor(*arguments)[0])

    def test_help_tells_codes_and_checks(self) -> None:
        code, out, _ = self.doctor("--help")
        self.assertEqual(0, code)
        for words in ("exit code is 0", "1 where there are", *CHECKS):
            self.assertIn(words, out)

    def test_json_is_one_document_with_all(self) -> None:
        self.found = SICK
        _, out, err = self.doctor("--json")
        found: dict[str, Any] = json.loads(out)
        self.assertEqual("", err)
        self.assertEqual(("error", 2), (found["result"], found["exit_code"]))
        self.assertEqual(
            {"ok": 1, "warning": 1, "not-checked": 1, "error": 1},
            found["counts"],
        )
        roles = found["checks"][0]
        self.assertEqual(
            ("roles", 8), (roles["check"], len(roles["findings"]))
        )
        self.assertEqual(
            {"kind", "result", "what", "what_to_do", "where"},
            set(roles["findings"][0]),
        )
        self.assertTrue(out.isascii())


class TableTest(base.TestCase):
    def lines(self, width: int, **more: bool) -> list[str]:
        return list(examined.lines(SICK, width, **more))

    def test_it_fits(self) -> None:
        for width in (60, 80, 119, 120, 160, 250):
            with self.subTest(width=width):
                longest = max(map(len, self.lines(width)[:-1]))
                self.assertLessEqual(longest, width)

    def test_ids_stay_whole_from_80_columns_on(self) -> None:
        for width in (80, 120, 160):
            with self.subTest(width=width):
                shown = "\n".join(self.lines(width))
                # In what is wrong, and in what to do.
                self.assertEqual(2, shown.count(f"{3:032}"))

    def test_few_of_a_kind_are_named(self) -> None:
        shown = "\n".join(self.lines(160))
        self.assertIn(f"{4:032}", shown)
        self.assertNotIn(f"{5:032}", shown)
        self.assertIn("and 3 more like this; --json names them all", shown)

    def test_the_order_and_the_sum(self) -> None:
        lines = self.lines(160)
        names = [each.split()[0] for each in lines if each[:1].isalpha()]
        self.assertEqual(
            ["CHECK", "roles", "orphans", "mail", "keystone"], names
        )
        self.assertEqual(
            "4 checks in 1.5 s: 1 with errors, 1 not checked, 1 with "
            "warnings, 1 ok",
            lines[-1],
        )

    def test_what_is_well_takes_one_line(self) -> None:
        for width in (80, 160):
            (line,) = [
                each for each in self.lines(width) if "keystone" in each
            ]
            self.assertIn("ok", line)

    def test_nothing_commands_the_terminal(self) -> None:
        for width in (80, 160):
            shown = "\n".join(self.lines(width))
            self.assertNotIn("\x1b", shown)
            self.assertIn("\\x1b[31mred\\u202e", shown)

    def test_colours_change_no_width(self) -> None:
        plain, coloured = self.lines(160), self.lines(160, coloured=True)
        self.assertEqual(len(plain), len(coloured))
        self.assertIn("\x1b[31;1mERROR", coloured[1])
