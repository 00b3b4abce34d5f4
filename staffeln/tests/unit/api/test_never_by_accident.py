# SPDX-License-Identifier: Apache-2.0
"""Whatever is sent, ``True`` is answered only where it is the truth.

What is the truth is worked out here once more, in other words than in the
rules: from what a test put together, not from what was sent.
"""

from __future__ import annotations

import dataclasses
import json
import re
import uuid
from typing import Any
from urllib import parse

import werkzeug.test
from hypothesis import given, settings
from hypothesis import strategies as st

from staffeln.api import app
from staffeln.domain import checking, errors, model
from staffeln.tests import base
from staffeln.tests.unit.api import stage
from staffeln.tests.unit.domain.test_guarding import SERVICE_USER, STRANGE
from staffeln.workflow import requests

US = "dddddddd-1111-2222-3333-444455556666"
IDS = [str(uuid.UUID(int=number * 7919 + 11)) for number in range(3)]
VOLUMES = [str(uuid.UUID(int=number * 104729 + 5)) for number in range(2)]
KEY = "staffeln_deployment"
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"


@dataclasses.dataclass
class World:
    """What is the case; ``look`` tells of it."""

    rows: dict[str, model.BackupState]
    unsettled: set[str]
    bound: bool
    current: bool
    answers: bool
    same: bool

    def look(
        self,
        backup_id: str,
        volume_id: str | None,
        _known_term: int | None = None,
    ) -> checking.Standing:
        if not self.answers:
            raise errors.StoreError("away")
        return checking.Standing(
            deployment_uuid=US,
            service_user=SERVICE_USER if self.bound else None,
            schema_is_current=self.current,
            age=checking.Age(term=1),
            backup_state=self.rows.get(backup_id),
            unsettled_volume=volume_id in self.unsettled,
        )

    @property
    def term(self) -> int | None:
        return 1

    def recognise(
        self, _uuid: str, _age: checking.Age
    ) -> checking.Strange | None:
        return None if self.same else STRANGE

    @property
    def sound(self) -> bool:
        return self.bound and self.current and self.answers and self.same

    def client(self) -> werkzeug.test.Client:
        made = app.create_app(
            app.Parts(
                requests.DeletionRequests(self, self), stage.Health(), None
            )
        )
        return werkzeug.test.Client(made.wsgi_app)


mostly = st.sampled_from([True] * 7 + [False])
worlds = st.builds(
    World,
    rows=st.dictionaries(
        st.sampled_from(IDS), st.sampled_from(model.BackupState), max_size=2
    ),
    unsettled=st.sets(st.sampled_from(VOLUMES), max_size=1),
    bound=mostly,
    current=mostly,
    answers=mostly,
    same=mostly,
)


@st.composite
def spellings(draw: st.DrawFn, name: str) -> str:
    """An id as somebody may write it."""
    if draw(st.booleans()):
        return name
    text = name.upper() if draw(st.booleans()) else name
    if draw(st.booleans()):
        text = text.replace("-", "")
    front, back = draw(
        st.sampled_from([("", ""), ("{", "}"), ("urn:uuid:", ""), ("", "  ")])
    )
    return front + text + back


@dataclasses.dataclass
class Sent:
    """A request, and what it truly says."""

    name: str
    query: str
    target: dict[str, Any] | None
    """None: it says nothing of a target."""
    body: bytes
    kind: str


@st.composite
def sensible(draw: st.DrawFn) -> Sent:
    """A request such as Cinder sends, of anything that there may be."""
    name = draw(st.sampled_from(IDS))
    fields: dict[str, Any] = {}
    if draw(st.booleans()):
        same = draw(st.booleans())
        named = name if same else draw(st.sampled_from(IDS))
        fields["id"] = draw(spellings(named))
    if draw(st.booleans()):
        fields["volume_id"] = draw(spellings(draw(st.sampled_from(VOLUMES))))
    if draw(st.booleans()):
        fields["user_id"] = draw(st.sampled_from(["U1", "U2", "", None]))
    if draw(st.booleans()):
        value = draw(st.sampled_from([US, IDS[0], "x"]))
        key = draw(st.sampled_from([KEY, "other"]))
        fields["metadata"] = draw(
            st.sampled_from([{key: value}, [{"key": key, "value": value}], {}])
        )
    query = parse.urlencode({"backup_id": draw(spellings(name))})
    said = draw(st.sampled_from(["nothing", FORM, JSON]))
    if said == "nothing":
        return Sent(name, query, None, b"", draw(st.sampled_from(["", JSON])))
    whole = {"rule": "backup:delete", "target": fields, "credentials": {}}
    if said == JSON:
        body = json.dumps(whole).encode()
    else:
        body = parse.urlencode(
            {key: json.dumps(value) for key, value in whole.items()}
        ).encode()
    return Sent(name, query, fields, body, said)


def is_free(world: World, sent: Sent) -> bool:
    """The truth: whether nothing at all speaks against a delete."""
    if not world.sound or sent.name in world.rows:
        return False
    said = sent.target or {}
    named = re.sub("urn:uuid:|[-{} ]", "", said.get("id", sent.name)).lower()
    if named != sent.name.replace("-", ""):
        return False
    volume = re.sub("urn:uuid:|[-{} ]", "", said.get("volume_id") or "")
    return (
        said.get("user_id") != "U1"
        and volume.lower()
        not in {each.replace("-", "") for each in world.unsettled}
        and not (US in json.dumps(said) and KEY in json.dumps(said))
    )


class NeverByAccidentTest(base.TestCase):
    @settings(max_examples=400)
    @given(worlds, sensible())
    def test_what_cinder_may_send(self, world: World, sent: Sent) -> None:
        answer = world.client().post(
            f"/v1/backup?{sent.query}",
            data=sent.body,
            content_type=sent.kind,
        )
        self.assertEqual(200, answer.status_code)
        self.assertEqual(str(is_free(world, sent)), answer.text)

    @settings(max_examples=400)
    @given(
        worlds,
        sensible(),
        st.lists(
            st.tuples(st.floats(0, 1), st.binary(max_size=3)), min_size=1
        ),
    )
    def test_damaged_bodies(
        self, world: World, sent: Sent, damage: list[tuple[float, bytes]]
    ) -> None:
        """No damage makes a yes of a no that the database alone says."""
        body = bytearray(sent.body)
        for where, what in damage:
            at = int(where * len(body))
            body[at : at + len(what)] = what
        answer = world.client().post(
            f"/v1/backup?{sent.query}",
            data=bytes(body),
            content_type=sent.kind,
        )
        self.assertIn(answer.status_code, (200, 400, 413))
        alone = dataclasses.replace(sent, target=None)
        if not is_free(world, alone):
            self.assertNotEqual("True", answer.text.strip('"'))

    @settings(max_examples=400)
    @given(
        worlds,
        st.sampled_from(["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"]),
        st.sampled_from(["/v1/backup", "/v1/backup/", "/v1/health", "/"]),
        st.one_of(
            st.text(max_size=80).map(parse.quote),
            st.lists(
                st.tuples(
                    st.sampled_from(["backup_id", "probe", "x"]),
                    st.one_of(st.text(max_size=70), st.sampled_from(IDS)),
                ),
                max_size=3,
            ).map(parse.urlencode),
        ),
        st.binary(max_size=60),
        st.one_of(st.sampled_from([FORM, JSON]), st.just("text/plain")),
        st.sampled_from(["*/*", "text/plain", "True", ""]),
    )
    def test_anything(
        self,
        world: World,
        method: str,
        path: str,
        query: str,
        body: bytes,
        kind: str,
        accept: str,
    ) -> None:
        answer = world.client().open(
            f"{path}?{query}",
            method=method,
            data=body,
            content_type=kind,
            headers={"Accept": accept},
        )
        self.assertNotEqual(500, answer.status_code)
        if answer.text.strip('"') == "True":
            given = parse.parse_qs(query, keep_blank_values=True)
            self.assertEqual(["backup_id"], list(given))
            ((text,),) = given.values()
            self.assertIn(answer.status_code, (200,))
            self.assertEqual(("POST", "/v1/backup"), (method, path))
            name = str(uuid.UUID(text.strip(" ")))
            self.assertTrue(world.sound and name not in world.rows)
