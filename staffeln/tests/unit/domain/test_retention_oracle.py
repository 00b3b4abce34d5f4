# SPDX-License-Identifier: Apache-2.0
"""Whether the oracle itself can be trusted: by hand, and by all subsets."""

from __future__ import annotations

import dataclasses
import datetime
import itertools

import hypothesis

from staffeln.tests import base, oracle
from staffeln.tests.unit.domain import test_retention_properties as random
from staffeln.tests.unit.domain.samples import DAY, NOW


def chain(*changed: oracle.Backup) -> tuple[oracle.Backup, ...]:
    """A full backup and three incrementals, a day apart, for two days."""
    made = {
        f"b{number}": oracle.Backup(
            id=f"b{number}",
            volume_id="v1",
            project_id="p1",
            server_id="s1",
            created_at=NOW + number * DAY,
            incremental=number > 0,
            promised="2d",
        )
        for number in range(4)
    }
    return tuple({**made, **{each.id: each for each in changed}}.values())


class OracleTest(base.TestCase):
    """All rounds here are a month after the backups, seven days of grace."""

    def goes(
        self, *changed: oracle.Backup, keep_last: int = 0
    ) -> tuple[set[str], set[str]]:
        """What goes, and what has to stay."""
        world = oracle.World(
            backups=chain(*changed),
            observations=(
                oracle.Observation(
                    at=NOW + 30 * DAY,
                    options=oracle.Options(keep_last=keep_last),
                    values={"s1": "2d"},
                    selected=frozenset({"v1"}),
                ),
            ),
        )
        now = NOW + 30 * DAY
        return oracle.to_go(world, now), oracle.to_stay(world, now)

    def test_a_chain_goes_and_nothing_has_to_stay(self) -> None:
        self.assertEqual(({"b0", "b1", "b2", "b3"}, set()), self.goes())

    def test_the_last_one_keeps_its_whole_chain(self) -> None:
        self.assertEqual(
            (set(), {"b0", "b1", "b2", "b3"}), self.goes(keep_last=1)
        )

    def test_a_users_own_incremental_holds_its_ancestors_and_no_more(
        self,
    ) -> None:
        own = dataclasses.replace(chain()[2], managed=False)
        self.assertEqual(({"b3"}, {"b0", "b1", "b2"}), self.goes(own))

    def test_what_is_on_its_way_out_need_not_be_there(self) -> None:
        for state in oracle.ON_ITS_WAY_OUT:
            leaving = dataclasses.replace(chain()[3], state=state)
            self.assertEqual(({"b0", "b1", "b2"}, set()), self.goes(leaving))

    @hypothesis.settings(max_examples=50)
    @hypothesis.given(random.worlds())
    def test_no_larger_set_could_go(self, world: oracle.World) -> None:
        """Each set of expired ones that frees itself is part of it."""
        at = world.observations[-1].at
        going = oracle.to_go(world, at)
        expired = {
            each.id
            for each in world.backups
            if each.state is oracle.State.AVAILABLE
            and oracle.has_expired(world, each, at)
        }
        self.assertLessEqual(going, expired)
        kept = sorted(expired - going)
        for size in range(1, min(len(kept), 3) + 1):
            for more in itertools.combinations(kept, size):
                self.assertTrue(_breaks_a_rule(world, going | set(more)))
        self.assertFalse(_breaks_a_rule(world, going))


def _breaks_a_rule(world: oracle.World, going: set[str]) -> bool:
    """Whether anything of a set has to stay while the others go."""
    seen = world.observations[-1]
    left = [
        each
        for each in world.backups
        if each.id not in going
        and each.state not in (*oracle.ON_ITS_WAY_OUT, oracle.State.VANISHED)
    ]
    whole = [each for each in world.backups if each.id in going]
    newest = oracle.kept_last(world.backups, seen)
    return any(
        each.id in newest
        or each.project_id in seen.spared
        or any(oracle.may_depend(other, each, world.backups) for other in left)
        or (
            (each.volume_id, each.project_id) in seen.growing
            and not any(
                other.incremental is False
                and other.completed
                and (other.volume_id, other.project_id)
                == (each.volume_id, each.project_id)
                and _age(other) > _age(each)
                for other in world.backups
            )
        )
        for each in whole
    )


def _age(backup: oracle.Backup) -> tuple[datetime.datetime, bool, str]:
    return backup.created_at, backup.incremental is not False, backup.id
