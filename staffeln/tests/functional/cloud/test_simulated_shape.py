# SPDX-License-Identifier: Apache-2.0
"""What is in a simulated cloud follows from numbers."""

from __future__ import annotations

from benchmarks.cloud import Behaviour, Failure, Shape
from staffeln.tests import base

SHAPE = Shape(
    servers=6,
    volumes=13,
    unattached=1,
    projects=4,
    projects_without_work=1,
    projects_without_role=1,
    chain=4,
    full_every=3,
    creating=2,
)


class TestShape(base.TestCase):
    """Numbers in, a cloud out."""

    def test_ids_follow_from_the_seed(self) -> None:
        same = Shape.from_text(SHAPE.to_text())
        self.assertEqual(SHAPE, same)
        other = Shape(seed=SHAPE.seed + 1)
        for kind in ("project", "server", "volume", "backup", "user"):
            ids = [SHAPE.id_of(kind, number) for number in range(100)]
            self.assertEqual(100, len(set(ids)))
            self.assertEqual(ids, [same.id_of(kind, n) for n in range(100)])
            self.assertNotIn(other.id_of(kind, 7), ids)
            self.assertEqual(
                list(range(100)), [SHAPE.number_of(kind, each) for each in ids]
            )
            self.assertIsNone(SHAPE.number_of("port", ids[7]))
        self.assertIsNone(SHAPE.number_of("volume", "no id"))

    def test_each_attached_volume_has_one_server(self) -> None:
        found = [
            (volume, server)
            for server in range(SHAPE.servers)
            for volume in SHAPE.volumes_of(server)
        ]
        self.assertEqual(
            [(each, SHAPE.server_of(each)) for each in range(12)], found
        )
        self.assertIsNone(SHAPE.server_of(12))

    def test_a_younger_backup_has_a_higher_number(self) -> None:
        made = [each.created_at for each in SHAPE.backups()]
        self.assertEqual(sorted(made), made)
        self.assertLessEqual(made[-1], SHAPE.made_at)

    def test_shapes_that_cannot_be(self) -> None:
        for values in (
            {"servers": 0},
            {"volumes": 5, "unattached": 6},
            {"projects": 2, "projects_without_work": 3},
            {"selected": 0.0, "creating": 1},
        ):
            self.assertRaises(ValueError, Shape, **values)

    def test_behaviours_that_cannot_be(self) -> None:
        self.assertRaises(ValueError, Behaviour, latencies={"swift": 1.0})
        self.assertRaises(ValueError, Failure, how="200")
        self.assertRaises(ValueError, Failure, how="cat")
