# SPDX-License-Identifier: Apache-2.0
"""Retention against the oracle, over random worlds and several rounds."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Collection, Iterable, Sequence

import hypothesis
from hypothesis import strategies as st

from staffeln.domain import (
    breaker,
    deletion,
    durations,
    model,
    policies,
    retention,
)
from staffeln.tests import base, oracle
from staffeln.tests.unit.domain import samples
from staffeln.tests.unit.domain.samples import DAY, HOUR, MICROSECOND, NOW

State = model.BackupState
What = deletion.What

PROJECTS = ("p1", "p2")
TOLERANCE = datetime.timedelta(minutes=5)

# No two of them change places from one month to another.
LENGTHS = (
    "1s",
    "1d",
    "1d",
    "5d",
    "5d",
    "10d",
    "20d",
    "1mon",
    "40d",
    "3mon",
    "1y",
)
READABLE = st.sampled_from((None, None, *LENGTHS))
READABLE_OR_NOT = st.sampled_from((None, *LENGTHS, "", "0d", "forever", "9"))
OPTIONS = st.builds(
    oracle.Options,
    retention_time=st.sampled_from(("2d", "15d", "32d")),
    minimum=st.sampled_from(("0s", "0s", "0s", "3d", "35d")),
    keep_last=st.integers(0, 2),
    grace=st.sampled_from((0, 0, 2, 7)).map(lambda days: days * DAY),
)


# -- random worlds -----------------------------------------------------------


def _made(
    draw: st.DrawFn, volume_id: str, number: int, states: Sequence[State]
) -> oracle.Backup:
    state = draw(st.sampled_from(states))
    known = draw(st.sampled_from((True, True, True, False)))
    return oracle.Backup(
        id=f"{volume_id}-b{number}",
        volume_id=volume_id,
        project_id=draw(st.sampled_from((*PROJECTS[:1] * 4, *PROJECTS))),
        server_id=f"server of {volume_id}",
        created_at=NOW - draw(st.integers(0, 60)) * DAY,
        incremental=draw(st.sampled_from((False, True, True, True, None))),
        state=state,
        completed=state is State.AVAILABLE
        or (state is not State.CREATING and draw(st.booleans())),
        promised=draw(READABLE_OR_NOT) if known else None,
        known=known,
        made_under=draw(st.none() | OPTIONS) if known else None,
    )


def _seen(
    draw: st.DrawFn,
    at: datetime.datetime,
    volume_ids: Sequence[str],
    options: oracle.Options,
) -> oracle.Observation:
    """What one round sees of the servers of these volumes."""
    values: dict[str, str | None] = {}
    gone, sharing = set(), {}
    for volume_id in volume_ids:
        server_id = f"server of {volume_id}"
        fate = draw(st.sampled_from(("read",) * 6 + ("unread", "gone", "two")))
        if fate in ("read", "two"):
            values[server_id] = draw(READABLE_OR_NOT)
        if fate == "two":
            # Of several servers and none readable nobody can tell the last.
            values[server_id] = draw(READABLE)
            values["another"] = draw(READABLE)
            sharing[volume_id] = (server_id, "another")
        if fate == "gone":
            gone.add(server_id)
    pairs = [(each, project) for each in volume_ids for project in PROJECTS]
    return oracle.Observation(
        at=at,
        options=options,
        values=values,
        gone=frozenset(gone),
        sharing=sharing,
        selected=frozenset(
            each for each in volume_ids if draw(st.integers(0, 2))
        ),
        growing=frozenset(
            each for each in pairs if not draw(st.integers(0, 9))
        ),
        spared=frozenset(
            each for each in PROJECTS if not draw(st.integers(0, 9))
        ),
    )


@st.composite
def worlds(
    draw: st.DrawFn,
    *,
    states: Sequence[State] = (State.AVAILABLE,) * 14 + tuple(State),
    least_grace: datetime.timedelta = datetime.timedelta(),
) -> oracle.World:
    """A world of up to three volumes, and up to five rounds."""
    volume_ids = [f"v{number}" for number in range(draw(st.integers(1, 3)))]
    at = NOW
    seen: list[oracle.Observation] = []
    for _ in range(draw(st.integers(1, 5))):
        options = draw(OPTIONS)
        options = dataclasses.replace(
            options, grace=max(options.grace, least_grace)
        )
        is_the_same = draw(st.sampled_from((True, True, False)))
        if seen and is_the_same:
            options = seen[-1].options
        seen.append(_seen(draw, at, volume_ids, options))
        at += draw(st.sampled_from((MICROSECOND, HOUR, DAY, 3 * DAY, 9 * DAY)))
    made = [
        _made(draw, volume_id, number, states)
        for volume_id in volume_ids
        for number in range(draw(st.integers(0, 6)))
    ]
    return oracle.World(backups=tuple(made), observations=tuple(seen))


# -- one round, as the workflow puts the rules together ----------------------


def row_of(backup: oracle.Backup) -> model.Backup:
    """The row that Staffeln keeps of it before any round."""
    row = model.Backup(
        id=backup.id,
        project_id=backup.project_id,
        volume_id=backup.volume_id,
        server_id=backup.server_id,
        state=backup.state,
        incremental=backup.incremental,
        created_at=backup.created_at,
        completed_at=backup.created_at if backup.completed else None,
        retention=backup.promised,
        retention_known=backup.known,
    )
    if backup.made_under is None:
        return row
    return retention.promise(row, (), policy_of(backup.made_under))


def policy_of(options: oracle.Options) -> policies.RetentionPolicy:
    return samples.retention_policy(
        retention_time=durations.parse(options.retention_time),
        minimum=durations.parse(options.minimum, zero_allowed=True),
        keep_last=options.keep_last,
        shortening_grace=options.grace,
    )


def reading_of(
    row: model.Backup, seen: oracle.Observation
) -> retention.Reading | None:
    """As the workflow finds it: the harvest first, then a single question."""
    policy = policy_of(seen.options)
    inventory = model.Inventory(
        candidates=(),
        complete=True,
        servers=seen.values,
        shared=seen.sharing,
    )
    found = retention.reading_of(
        row.governance, inventory, policy.retention_time
    )
    asked = found is None and not row.retention_known
    if asked and row.server_id in seen.gone:
        return retention.GONE
    return found


def govern(
    rows: Iterable[model.Backup], seen: oracle.Observation
) -> list[model.Backup]:
    policy = policy_of(seen.options)
    return [
        retention.governed(row, reading_of(row, seen), policy, seen.at)
        for row in rows
    ]


def judge(
    rows: Collection[model.Backup], seen: oracle.Observation
) -> list[deletion.Verdict]:
    return [
        verdict
        for volume_id in sorted({row.volume_id for row in rows})
        for verdict in deletion.judge(
            [row for row in rows if row.volume_id == volume_id],
            deletion.Circumstances(
                selected=volume_id in seen.selected,
                growing=frozenset(
                    project
                    for grows, project in seen.growing
                    if grows == volume_id
                ),
                spared=dict.fromkeys(seen.spared, "spared"),
            ),
            policy_of(seen.options),
            seen.at,
        )
    ]


def deleted(verdicts: Iterable[deletion.Verdict]) -> set[str]:
    return {each.backup.id for each in verdicts if each.what is What.DELETE}


@dataclasses.dataclass(frozen=True)
class Round:
    """One round of a world."""

    world: oracle.World
    """What was there before it, and all that was seen until then."""
    seen: oracle.Observation
    before: list[model.Backup]
    rows: list[model.Backup]
    verdicts: list[deletion.Verdict]


def play(world: oracle.World) -> Iterable[Round]:
    """Round after round; what one deletes the next does not see."""
    rows = [row_of(each) for each in world.backups]
    for number, seen in enumerate(world.observations, 1):
        there = {row.id for row in rows}
        before, rows = rows, govern(rows, seen)
        verdicts = judge(rows, seen)
        yield Round(
            world=oracle.World(
                backups=tuple(
                    each for each in world.backups if each.id in there
                ),
                observations=world.observations[:number],
            ),
            seen=seen,
            before=before,
            rows=rows,
            verdicts=verdicts,
        )
        rows = [row for row in rows if row.id not in deleted(verdicts)]


# -- what holds in all of them -----------------------------------------------


class OracleTest(base.TestCase):
    @hypothesis.settings(max_examples=400)
    @hypothesis.given(worlds())
    def test_each_round_deletes_just_what_the_oracle_says(
        self, world: oracle.World
    ) -> None:
        for each in play(world):
            self.assertEqual(
                oracle.to_go(each.world, each.seen.at), deleted(each.verdicts)
            )

    @hypothesis.given(worlds())
    def test_the_expiry_that_is_shown_is_the_one_of_the_oracle(
        self, world: oracle.World
    ) -> None:
        for each in play(world):
            told = {row.id: row.expires_at for row in each.rows}
            self.assertEqual(
                {
                    backup.id: oracle.expiry(each.world, backup, each.seen.at)
                    for backup in each.world.backups
                },
                told,
            )

    @hypothesis.given(worlds())
    def test_every_backup_that_is_there_gets_one_verdict_and_a_reason(
        self, world: oracle.World
    ) -> None:
        for each in play(world):
            self.assertEqual(
                sorted(
                    row.id
                    for row in each.rows
                    if row.state is not State.VANISHED
                ),
                sorted(verdict.backup.id for verdict in each.verdicts),
            )
            self.assertTrue(all(verdict.why for verdict in each.verdicts))


class OrderTest(base.TestCase):
    @hypothesis.given(worlds())
    def test_no_parent_is_deleted_before_its_child(
        self, world: oracle.World
    ) -> None:
        for each in play(world):
            backups = {one.id: one for one in each.world.backups}
            waits_for = {
                verdict.backup.id: verdict.waits_for
                for verdict in each.verdicts
            }
            for parent in deleted(each.verdicts):
                waited: set[str] = set()
                step = waits_for[parent]
                while step is not None:
                    self.assertNotIn(step, waited, "they wait in a circle")
                    waited.add(step)
                    step = waits_for.get(step)
                self.assertEqual(
                    set(),
                    {
                        child.id
                        for child in each.world.backups
                        if child.id in waits_for
                        and child.id in deleted(each.verdicts)
                        and oracle.may_depend(
                            child, backups[parent], each.world.backups
                        )
                    }
                    - waited,
                )

    @hypothesis.given(worlds())
    def test_a_delete_waits_only_for_a_newer_one_that_depends_on_it(
        self, world: oracle.World
    ) -> None:
        for each in play(world):
            backups = {one.id: one for one in each.world.backups}
            place = {
                verdict.backup.id: number
                for number, verdict in enumerate(each.verdicts)
            }
            leaving = {
                verdict.backup.id
                for verdict in each.verdicts
                if verdict.what is not What.KEEP
            }
            for verdict in each.verdicts:
                child, parent = verdict.waits_for, verdict.backup.id
                if child is None:
                    continue
                self.assertIs(What.DELETE, verdict.what)
                self.assertIn(child, leaving, "it would wait for ever")
                self.assertLess(place[child], place[parent])
                self.assertTrue(
                    oracle.may_depend(
                        backups[child], backups[parent], each.world.backups
                    )
                )


class AgainTest(base.TestCase):
    @hypothesis.given(worlds())
    def test_a_round_that_runs_twice_changes_nothing(
        self, world: oracle.World
    ) -> None:
        for each in play(world):
            again = govern(each.rows, each.seen)
            self.assertEqual(each.rows, again)
            self.assertEqual(each.verdicts, judge(again, each.seen))
            later = dataclasses.replace(each.seen, at=each.seen.at + 90 * DAY)
            self.assertEqual(each.rows, govern(each.rows, later))

    @hypothesis.given(worlds())
    def test_the_order_in_which_rows_come_does_not_matter(
        self, world: oracle.World
    ) -> None:
        for each in play(world):
            self.assertEqual(
                deleted(each.verdicts),
                deleted(judge(each.rows[::-1], each.seen)),
            )

    @hypothesis.given(worlds())
    def test_what_is_settled_needs_no_writing_and_what_is_written_is_settled(
        self, world: oracle.World
    ) -> None:
        for each in play(world):
            policy = policy_of(each.seen.options)
            for old, new in zip(each.before, each.rows, strict=True):
                reading = reading_of(old, each.seen)
                ruling = retention.rule(old.governance, reading, policy)
                as_ruled = retention.is_as_ruled(old, ruling)
                if ruling.settled or as_ruled:
                    self.assertEqual(old, new)
                if new.state is not State.CREATING:
                    again = retention.rule(new.governance, reading, policy)
                    self.assertTrue(again.settled)


class TroubleTest(base.TestCase):
    """One round sees less, or another time, or another option."""

    @hypothesis.given(worlds(), st.data())
    def test_servers_that_were_not_read_lead_to_no_more_deletes(
        self, world: oracle.World, data: st.DataObject
    ) -> None:
        """All that was said stays said: they have not changed meanwhile.

        A volume with several servers is not among them: a harvest that
        misses one of those is incomplete, and nothing goes by it.
        """
        for each in play(world):
            lone = sorted(
                server_id
                for server_id in each.seen.values
                if not any(
                    server_id in sharing
                    for sharing in each.seen.sharing.values()
                )
            )
            missing = set(data.draw(_some_of(lone)))
            partial = dataclasses.replace(
                each.seen,
                values={
                    server_id: value
                    for server_id, value in each.seen.values.items()
                    if server_id not in missing
                },
            )
            # The true world: it has been read a moment ago.
            read = govern(each.before, each.seen)
            self.assertEqual(read, govern(read, partial))
            known = [row for row in each.before if _is_known(row, each.seen)]
            self.assertLessEqual(
                deleted(judge(govern(known, partial), partial)),
                deleted(judge(govern(known, each.seen), each.seen)),
            )

    @hypothesis.given(
        st.sampled_from(("this host", "the database", "Cinder")),
        st.timedeltas(min_value=-9000 * DAY, max_value=9000 * DAY),
    )
    def test_a_clock_that_is_wrong_either_way_is_named_and_stops_the_round(
        self, whose: str, by: datetime.timedelta
    ) -> None:
        clocks = dict.fromkeys(("this host", "the database", "Cinder"), NOW)
        clocks[whose] += by
        apart = breaker.clocks_apart(clocks, TOLERANCE)
        if abs(by) <= TOLERANCE:
            self.assertIsNone(apart)
        else:
            self.assertIn(f"of {whose} (", apart or "")

    @hypothesis.given(worlds(), st.integers(-300, 300))
    def test_a_clock_that_is_tolerated_deletes_no_more_than_is_due_by_then(
        self, world: oracle.World, seconds: int
    ) -> None:
        for each in play(world):
            wrong = dataclasses.replace(
                each.seen,
                at=each.seen.at + datetime.timedelta(seconds=seconds),
            )
            clocks = {"this host": each.seen.at, "the database": wrong.at}
            self.assertIsNone(breaker.clocks_apart(clocks, TOLERANCE))
            latest = dataclasses.replace(
                each.seen, at=each.seen.at + TOLERANCE
            )
            self.assertLessEqual(
                deleted(judge(each.rows, wrong)),
                deleted(judge(each.rows, latest)),
            )

    @hypothesis.given(
        worlds(least_grace=DAY), st.sampled_from(("1s", "1d", "10d"))
    )
    def test_an_option_that_became_shorter_deletes_no_more_in_that_round(
        self, world: oracle.World, shorter: str
    ) -> None:
        for each in play(world):
            said = [
                row
                for row in each.before
                if row.expires_at is not None
                or row.state is not State.AVAILABLE
            ]
            options = each.seen.options
            if durations.reach(durations.parse(shorter)) > durations.reach(
                durations.parse(options.retention_time)
            ):
                continue
            short = dataclasses.replace(
                each.seen,
                options=dataclasses.replace(options, retention_time=shorter),
            )
            before = govern(said, each.seen)
            self.assertEqual(
                deleted(judge(before, each.seen)),
                deleted(judge(govern(before, short), short)),
            )

    @hypothesis.given(
        worlds(least_grace=DAY), st.sampled_from(("1s", "0s", None, "1d"))
    )
    def test_values_that_became_short_everywhere_delete_no_more_at_once(
        self, world: oracle.World, value: str | None
    ) -> None:
        for each in play(world):
            before = [row for row in each.rows if row.expires_at is not None]
            short = dataclasses.replace(
                each.seen, values=dict.fromkeys(each.seen.values, value)
            )
            self.assertLessEqual(
                deleted(judge(govern(before, short), short)),
                deleted(judge(before, each.seen)),
            )


def _some_of(names: Sequence[str]) -> st.SearchStrategy[list[str]]:
    if not names:
        return st.just([])
    return st.lists(st.sampled_from(names), unique=True)


def _is_known(row: model.Backup, seen: oracle.Observation) -> bool:
    """Whether its server says in this round what is stored with it."""
    return (
        row.server_id not in seen.values
        or reading_of(row, seen) == retention.Reading(row.retention)
    ) and row.retention_known
