# SPDX-License-Identifier: Apache-2.0
"""Which servers and volumes are protected."""

from __future__ import annotations

import dataclasses
import itertools
import types

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import durations, model, selection
from staffeln.tests import base
from staffeln.tests.unit.domain import samples

KEY = "__staffeln_backup"
RETENTION = "__staffeln_retention"


def tagged(value: str) -> model.Server:
    return samples.server(metadata={KEY: value})


class SelectsTest(base.TestCase):
    def test_true_in_any_case(self) -> None:
        for value in ("true", "TRUE", "True", " true ", "\ttrue\n"):
            self.assertTrue(selection.selects(samples.rule(), tagged(value)))

    def test_everything_else(self) -> None:
        for value in ("false", "FALSE", "yes", "1", "", "untrue", "t rue"):
            self.assertFalse(selection.selects(samples.rule(), tagged(value)))

    def test_untagged(self) -> None:
        server = samples.server(metadata={KEY.upper(): "true"})
        self.assertFalse(selection.selects(samples.rule(), server))

    def test_an_empty_key_selects_all(self) -> None:
        rule = samples.rule(backup_key="")
        for server in (tagged("false"), samples.server(metadata={})):
            self.assertTrue(selection.selects(rule, server))

    def test_strange_values_are_named(self) -> None:
        rule = samples.rule()
        for value in ("yes", "", "1", "truth"):
            strange = selection.strange_value(rule, tagged(value))
            self.assertEqual(value, strange)
        for value in ("true", "TRUE", " true ", "false", "False "):
            self.assertIsNone(selection.strange_value(rule, tagged(value)))
        untagged = samples.server(metadata={})
        self.assertIsNone(selection.strange_value(rule, untagged))
        self.assertIsNone(
            selection.strange_value(
                samples.rule(backup_key=""), samples.server(metadata={"": "x"})
            )
        )

    def test_the_rule_in_words(self) -> None:
        self.assertIn(f"{KEY}=true", samples.rule().in_words())
        self.assertIn("all servers", samples.rule(backup_key="").in_words())


class OptOutTest(base.TestCase):
    def opted_out(self, value: str, **rule: object) -> bool:
        return selection.opted_out(
            samples.rule(**rule), samples.volume(metadata={KEY: value})
        )

    def test_false_in_any_case(self) -> None:
        for value in ("false", "FALSE", " False "):
            self.assertTrue(self.opted_out(value))

    def test_everything_else_stays(self) -> None:
        for value in ("true", "no", "", "0"):
            self.assertFalse(self.opted_out(value))
        self.assertFalse(selection.opted_out(samples.rule(), samples.volume()))

    def test_it_can_be_switched_off(self) -> None:
        self.assertFalse(self.opted_out("false", honour_volume_opt_out=False))

    def test_without_a_key_nothing_opts_out(self) -> None:
        volume = samples.volume(metadata={"": "false", KEY: "false"})
        rule = samples.rule(backup_key="")
        self.assertFalse(selection.opted_out(rule, volume))

    def test_an_opted_out_volume_is_no_candidate(self) -> None:
        found = selection.candidates(
            samples.rule(),
            [samples.server(volume_ids=("v1", "v2"))],
            {
                "v1": samples.volume("v1", metadata={KEY: "false"}),
                "v2": samples.volume("v2"),
            },
        )
        self.assertEqual(["v2"], [each.volume.id for each in found])


class CandidatesTest(base.TestCase):
    def only(self, *servers: model.Server, **rule: object) -> model.Candidate:
        found = selection.candidates(
            samples.rule(**rule), servers, {"v1": samples.volume()}
        )
        self.assertEqual(1, len(found))
        return found[0]

    def test_each_volume_once_named_by_the_lowest_server(self) -> None:
        servers = [samples.server(name) for name in ("s3", "s1", "s2")]
        for order in itertools.permutations(servers):
            found = self.only(*order)
            self.assertEqual("s1", found.server_id)
            self.assertEqual("name of s1", found.server_name)

    def test_one_busy_server_is_enough(self) -> None:
        self.assertFalse(self.only(samples.server()).server_busy)
        busy = samples.server("s2", task_state="migrating")
        self.assertTrue(self.only(samples.server(), busy).server_busy)

    def test_servers_of_other_projects_have_no_say(self) -> None:
        foreign = samples.server(
            "s0",
            project_id="p2",
            task_state="migrating",
            metadata={KEY: "true", RETENTION: "9y"},
        )
        found = self.only(foreign, samples.server())
        self.assertEqual("s1", found.server_id)
        self.assertFalse(found.server_busy)
        self.assertIsNone(found.retention)
        self.assertEqual(
            [],
            selection.candidates(
                samples.rule(), [foreign], {"v1": samples.volume()}
            ),
        )

    def test_a_volume_that_was_not_read(self) -> None:
        self.assertEqual(
            [], selection.candidates(samples.rule(), [samples.server()], {})
        )

    def test_a_volume_that_a_server_names_twice(self) -> None:
        found = self.only(samples.server(volume_ids=("v1", "v1")))
        self.assertEqual("s1", found.server_id)


def keeping(server_id: str, retention: str | None) -> model.Server:
    metadata = {KEY: "true"}
    if retention is not None:
        metadata[RETENTION] = retention
    return samples.server(server_id, metadata=metadata)


class RetentionTest(base.TestCase):
    """The default of the rule is 30 days."""

    def kept(self, *retentions: str | None, **rule: object) -> str | None:
        servers = [
            keeping(f"s{number}", text)
            for number, text in enumerate(retentions)
        ]
        (found,) = selection.candidates(
            samples.rule(**rule), servers, {"v1": samples.volume()}
        )
        return found.retention

    def test_longest_wins(self) -> None:
        for texts, longest in (
            ((None,), None),
            (("1d",), "1d"),
            (("1d", "2d"), "2d"),
            (("1y", None), "1y"),
            (("1d", None), None),
            ((None, "30d"), "30d"),
            (("4w", None), None),
            (("365d", "1y"), "1y"),  # the year that compares has 366 days
        ):
            for order in itertools.permutations(texts):
                self.assertEqual(longest, self.kept(*order))

    def test_an_unreadable_value_counts_as_long_as_the_default(self) -> None:
        self.assertEqual("for ever", self.kept("for ever", "1d"))
        self.assertEqual("1y", self.kept("for ever", "1y"))
        self.assertEqual("0s", self.kept("0s", None))

    def test_an_empty_key_switches_overrides_off(self) -> None:
        self.assertIsNone(self.kept("1y", "2y", retention_key=""))

    @hypothesis.given(
        st.lists(
            st.none()
            | st.just("nonsense")
            | samples.allowed_durations.filter(bool).map(str),
            min_size=1,
            max_size=4,
        )
    )
    def test_nobody_asked_for_longer(self, texts: list[str | None]) -> None:
        def reach(text: str | None) -> object:
            duration = durations.Duration(days=30)
            if text not in (None, "nonsense"):
                duration = durations.parse(text or "")
            return durations.after(
                samples.NOW.replace(year=2000, month=1, day=1, hour=0),
                duration,
            )

        kept = self.kept(*texts)
        self.assertIn(kept, texts)
        self.assertEqual(
            max(map(reach, texts)),  # type: ignore[type-var]
            reach(kept),
        )


class KeptTest(base.TestCase):
    """Of what users write no more is kept than the rule reads."""

    MUCH = types.MappingProxyType({f"key{n}": "x" * 255 for n in range(128)})

    def test_of_a_server(self) -> None:
        rule = samples.rule()
        read = {KEY: "true", RETENTION: "7d"}
        whole = samples.server(metadata={**self.MUCH, **read})
        kept = selection.kept_of_server(rule, whole)
        self.assertEqual(read, kept.metadata)
        self.assertEqual(
            dataclasses.replace(whole, metadata={}),
            dataclasses.replace(kept, metadata={}),
        )

    def test_of_a_volume(self) -> None:
        rule = samples.rule()
        for read in ({}, {KEY: "false"}):
            whole = samples.volume(metadata={**self.MUCH, **read})
            kept = selection.kept_of_volume(rule, whole)
            self.assertEqual(read, dict(kept.metadata))
            self.assertEqual(
                selection.opted_out(rule, whole),
                selection.opted_out(rule, kept),
            )

    def test_nothing_where_the_rule_reads_nothing(self) -> None:
        rule = samples.rule(backup_key="", retention_key="")
        kept = selection.kept_of_server(
            rule, samples.server(metadata={"": "x", KEY: "true"})
        )
        self.assertEqual({}, dict(kept.metadata))
