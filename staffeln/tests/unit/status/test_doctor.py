# SPDX-License-Identifier: Apache-2.0
"""No check hides or holds up another one."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterable

from staffeln.domain import errors, findings
from staffeln.domain.findings import Finding, Result
from staffeln.status import doctor
from staffeln.tests import base

LIMIT = 30.0


def check(
    name: str,
    look: Callable[[], Iterable[Finding]],
    *needs: str,
    failing: Result = Result.NOT_CHECKED,
) -> doctor.Check:
    return doctor.Check(
        name=name,
        about=name,
        look=look,
        needs=needs,
        failing=failing,
        todo=f"mend {name}",
    )


def well() -> list[Finding]:
    return [findings.fine("well")]


class RunTest(base.TestCase):
    def run_all(
        self,
        *checks: doctor.Check,
        limit: float = LIMIT,
        wanted: Iterable[str] | None = None,
        scrub: Callable[[str], str] = str,
    ) -> dict[str, findings.Checked]:
        names = [each.name for each in checks] if wanted is None else wanted
        found = doctor.examine(checks, list(names), limit, scrub)
        return {each.name: each for each in found.checks}

    def failing(self, error: BaseException) -> Callable[[], list[Finding]]:
        def look() -> list[Finding]:
            raise error

        return look

    def test_all_is_well(self) -> None:
        found = self.run_all(check("a", well), check("b", well, "a"))
        self.assertEqual(
            [Result.OK, Result.OK], [each.result for each in found.values()]
        )

    def test_what_fails_is_a_finding_of_its_own(self) -> None:
        for error, failing, kind in (
            (errors.StoreError("away"), Result.ERROR, "failed"),
            (errors.StoreError("away"), Result.NOT_CHECKED, "failed"),
            (doctor.CannotLookError("x"), Result.ERROR, findings.HELD),
            (ZeroDivisionError("1/0"), Result.ERROR, "broken-check"),
            (SystemExit(3), Result.ERROR, "broken-check"),
        ):
            with self.subTest(str(error), failing=failing):
                found = self.run_all(
                    check("a", self.failing(error), failing=failing),
                    check("b", well),
                )
                (finding,) = found["a"].findings
                expected = failing if kind == "failed" else Result.NOT_CHECKED
                self.assertEqual(
                    (kind, expected), (finding.kind, finding.result)
                )
                self.assertEqual(Result.OK, found["b"].result)

    def test_what_hangs_is_given_up(self) -> None:
        never = threading.Event()
        self.addCleanup(never.set)

        def hang() -> list[Finding]:
            never.wait()
            return []

        found = self.run_all(
            check("a", hang, failing=Result.ERROR),
            check("b", well, "a"),
            check("c", well),
            limit=0.5,
        )
        (finding,) = found["a"].findings
        self.assertEqual("no answer within 0.5 s", finding.what)
        self.assertEqual(Result.ERROR, finding.result)
        self.assertEqual(Result.NOT_CHECKED, found["b"].result)
        self.assertEqual(Result.OK, found["c"].result)

    def test_what_fails_on_its_way_keeps_nothing_half(self) -> None:
        def look() -> Iterable[Finding]:
            yield findings.warning("x", "first", "")
            raise errors.StoreError("away")

        (finding,) = self.run_all(check("a", look))["a"].findings
        self.assertEqual("away", finding.what)

    def test_the_root_of_what_is_held_is_named(self) -> None:
        found = self.run_all(
            check(
                "a",
                self.failing(errors.StoreError("away")),
                failing=Result.ERROR,
            ),
            check("b", well, "a"),
            check("c", well, "b"),
        )
        for name in ("b", "c"):
            (finding,) = found[name].findings
            self.assertEqual({"check": "a"}, dict(finding.where))
            self.assertEqual("see a", finding.todo)

    def test_what_has_to_end_first_may_end_badly(self) -> None:
        order = []

        def first() -> list[Finding]:
            order.append("a")
            raise errors.StoreError("away")

        def second() -> list[Finding]:
            order.append("b")
            return well()

        later = dataclasses.replace(check("b", second), after=("a",))
        found = self.run_all(later, check("a", first))
        self.assertEqual(["a", "b"], order)
        self.assertEqual(Result.OK, found["b"].result)

    def test_a_warning_holds_nothing(self) -> None:
        found = self.run_all(
            check("a", lambda: [findings.warning("x", "hm", "do")]),
            check("b", well, "a"),
        )
        self.assertEqual(Result.OK, found["b"].result)

    def test_what_is_needed_runs_and_is_not_shown(self) -> None:
        seen = []

        def look() -> list[Finding]:
            seen.append("a")
            return well()

        found = self.run_all(
            check("a", look),
            check("b", well, "a"),
            check("c", self.failing(AssertionError())),
            wanted=["b"],
        )
        self.assertEqual((["a"], ["b"]), (seen, list(found)))

    def test_the_worst_comes_first(self) -> None:
        found = self.run_all(
            check("a", well),
            check("b", lambda: [findings.warning("x", "w", "")]),
            check("c", lambda: [findings.error("x", "e", "")]),
            check("d", self.failing(errors.StoreError("away"))),
        )
        self.assertEqual(["c", "d", "b", "a"], list(found))

    def test_texts_are_short_clean_and_without_secrets(self) -> None:
        said = f"geheim\n{'x' * 1000}"
        found = self.run_all(
            check(
                "a",
                lambda: [findings.error("x", said, said, host=said)],
            ),
            scrub=lambda text: text.replace("geheim", "***"),
        )
        (finding,) = found["a"].findings
        for text in (finding.what, finding.todo, finding.where["host"]):
            self.assertEqual(doctor.LONGEST_TEXT, len(text))
            self.assertTrue(text.startswith("*** xxx"))
