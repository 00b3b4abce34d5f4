# SPDX-License-Identifier: Apache-2.0
"""May this backup be deleted? Each rule, alone."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import checking, guarding, model, naming
from staffeln.tests import base

ID = "0a1b2c3d-1111-2222-3333-444455556666"
OTHER = "0a1b2c3d-1111-2222-3333-444455556667"
VOLUME = "99999999-1111-2222-3333-444455556666"
US = "dddddddd-1111-2222-3333-444455556666"
SERVICE_USER = "U1"
FREE = checking.Standing(
    deployment_uuid=US,
    service_user=SERVICE_USER,
    schema_is_current=True,
    age=checking.Age(term=3),
    backup_state=None,
    unsettled_volume=False,
)

STRANGE = checking.Strange(
    doubt=checking.Doubt.EXCHANGED, why="its term is lower"
)


def ask(target: Any = None, **changes: Any) -> checking.DeletionQuestion:
    said = None if target is None else guarding.target_of(target)
    return checking.DeletionQuestion(backup_id=ID, target=said, **changes)


class CanonicalIdTest(base.TestCase):
    def test_all_spellings_of_one_id(self) -> None:
        bare = ID.replace("-", "")
        for spelling in (
            ID,
            ID.upper(),
            bare,
            bare.upper(),
            f"{{{ID}}}",
            f"urn:uuid:{ID}",
            f"URN:UUID:{ID}",
            f"uuid:{ID}",
            f"  {ID}",
            f"{ID}   ",
            "0a1b-2c3d" + bare[8:],
        ):
            self.assertEqual(ID, guarding.canonical_id(spelling), spelling)

    def test_what_is_no_id(self) -> None:
        bare = ID.replace("-", "")
        for text in (
            "",
            " ",
            "True",
            ID[:-1],
            f"{ID}0",
            f"{ID}\n",
            f"{ID}\t",
            f"{ID}\0",
            f"\0{ID}",
            f"0x{bare[:30]}",
            f"+{bare[:31]}",
            bare[:15] + "_" + bare[16:],
            bare[:31] + "\uff11",
            bare[:31] + "g",
            f"{ID}{ID}",
            ID + " " * 29,
        ):
            self.assertIsNone(guarding.canonical_id(text), repr(text))

    def test_the_longest(self) -> None:
        self.assertEqual(ID, guarding.canonical_id(ID + " " * 28))

    @hypothesis.given(st.text(max_size=70))
    def test_what_comes_out_is_an_id(self, text: str) -> None:
        found = guarding.canonical_id(text)
        if found is not None:
            self.assertEqual(str(uuid.UUID(found)), found)


class TargetTest(base.TestCase):
    def test_what_cinder_says(self) -> None:
        found = guarding.target_of(
            {
                "id": ID,
                "volume_id": VOLUME.upper(),
                "user_id": "u",
                "parent": {"versioned_object.data": {"user_id": "U1"}},
                "metadata": {naming.METADATA_DEPLOYMENT: US.upper(), "a": "b"},
            }
        )
        self.assertEqual(
            checking.DeletionTarget(
                id=ID,
                volume_id=VOLUME,
                user_id="u",
                deployments=frozenset({US}),
            ),
            found,
        )

    def test_metadata_as_bare_rows(self) -> None:
        row = {"key": naming.METADATA_DEPLOYMENT, "value": US}
        found = guarding.target_of({"metadata": [row]})
        self.assertEqual({US}, found.deployments)

    def test_metadata_as_rows(self) -> None:
        row = {"key": naming.METADATA_DEPLOYMENT, "value": f" {US} ", "id": 1}
        for name in ("metadata", "backup_metadata"):
            found = guarding.target_of({name: [row]})
            self.assertEqual({US}, found.deployments)

    def test_what_says_nothing(self) -> None:
        nothing: list[dict[str, Any]] = [
            {},
            {"metadata": None},
            {"metadata": {}},
            {"metadata": []},
            {"user_id": None, "volume_id": None},
            {"metadata": {"other": US}},
        ]
        for said in nothing:
            self.assertEqual(
                checking.DeletionTarget(), guarding.target_of(said), str(said)
            )

    def test_what_nobody_can_read(self) -> None:
        for said in (
            None,
            "text",
            7,
            [],
            [["id", ID]],
            {"id": None},
            {"id": 7},
            {"id": [ID]},
            {"user_id": 7},
            {"user_id": ["U1"]},
            {"volume_id": "v1"},
            {"volume_id": 7},
            {"metadata": "text"},
            {"metadata": 0},
            {"metadata": False},
            {"metadata": {"a": 1}},
            {"metadata": {"a": None}},
            {"metadata": [1]},
            {"metadata": [{"key": "a"}]},
            {"metadata": [{"value": "a"}]},
            {"metadata": [{"key": 1, "value": "a"}]},
            {"backup_metadata": 7},
        ):
            self.assertRaises(ValueError, guarding.target_of, said)


class JudgeTest(base.TestCase):
    def judge(
        self,
        asked: checking.DeletionQuestion | None = None,
        strange: checking.Strange | None = None,
        **changes: Any,
    ) -> checking.DeletionAnswer:
        standing = dataclasses.replace(FREE, **changes)
        return guarding.judge(asked or ask(), standing, strange)

    def assert_doubt(
        self, doubt: checking.Doubt | None, found: checking.DeletionAnswer
    ) -> None:
        self.assertIs(False, found.allowed)
        self.assertEqual(doubt, found.doubt)
        self.assertIn(str(doubt) if doubt else "", found.why)

    def test_nothing_speaks_against_it(self) -> None:
        for target in (
            None,
            {},
            {"id": ID},
            {"id": ID.upper()},
            {"user_id": "U2"},
            {"user_id": None},
            {"user_id": ""},
            {"metadata": {naming.METADATA_DEPLOYMENT: OTHER}},
            {"metadata": {"other": US}},
        ):
            found = self.judge(ask(target))
            self.assertTrue(found.allowed, str(target))
            self.assertIsNone(found.doubt)

    def test_a_row_of_any_state(self) -> None:
        for state in model.BackupState:
            self.assert_doubt(None, self.judge(backup_state=state))

    def test_a_row_is_certain_whatever_else_is_not(self) -> None:
        found = self.judge(
            backup_state=model.BackupState.VANISHED,
            schema_is_current=False,
            service_user=None,
            unsettled_volume=True,
            strange=STRANGE,
        )
        self.assert_doubt(None, found)

    def test_a_schema_of_another_release(self) -> None:
        self.assert_doubt(
            checking.Doubt.SCHEMA, self.judge(schema_is_current=False)
        )

    def test_a_database_of_no_cloud(self) -> None:
        for nobody in (None, ""):
            self.assert_doubt(
                checking.Doubt.UNBOUND, self.judge(service_user=nobody)
            )

    def test_an_exchanged_database(self) -> None:
        found = self.judge(strange=STRANGE)
        self.assert_doubt(checking.Doubt.EXCHANGED, found)
        self.assertIn("its term is lower", found.why)

    def test_a_backup_is_being_started(self) -> None:
        self.assert_doubt(
            checking.Doubt.UNSETTLED, self.judge(unsettled_volume=True)
        )

    def test_what_cannot_be_read(self) -> None:
        found = self.judge(ask(readable=False))
        self.assert_doubt(checking.Doubt.TARGET, found)

    def test_a_target_of_another_id(self) -> None:
        for other in (OTHER, "", "no id", f"{ID}x"):
            self.assert_doubt(
                checking.Doubt.OTHER_BACKUP, self.judge(ask({"id": other}))
            )

    def test_made_by_the_service_user(self) -> None:
        for user in ("U1", "u1", " U1 "):
            self.assert_doubt(None, self.judge(ask({"user_id": user})))

    def test_metadata_of_this_deployment(self) -> None:
        for text in (US, US.upper(), f" {US}"):
            target = {"metadata": {naming.METADATA_DEPLOYMENT: text}}
            self.assert_doubt(None, self.judge(ask(target)))

    def test_what_the_database_writes_otherwise(self) -> None:
        """As a dump that was edited by hand might have it."""
        found = self.judge(ask({"user_id": "u1"}), service_user=" U1 ")
        self.assert_doubt(None, found)
        target = {"metadata": {naming.METADATA_DEPLOYMENT: US}}
        for uuid_ in (US.upper(), f" {US} "):
            found = self.judge(ask(target), deployment_uuid=uuid_)
            self.assert_doubt(None, found)

    def test_metadata_never_allow(self) -> None:
        target = {"metadata": {naming.METADATA_DEPLOYMENT: OTHER}}
        found = self.judge(
            ask(target), backup_state=model.BackupState.AVAILABLE
        )
        self.assertFalse(found.allowed)
