# SPDX-License-Identifier: Apache-2.0
"""What has to be right before a conductor may work."""

from staffeln.conductor import preflight
from staffeln.domain import errors, model
from staffeln.tests import base


def deployment(*, adopted: bool) -> model.Deployment:
    return model.Deployment(
        uuid="d", identity=None, adopted=adopted, selected_volumes=None
    )


class AdoptedTest(base.TestCase):
    def test_an_adopted_database_wants_the_key_set(self) -> None:
        error = self.assertRaises(
            errors.ConfigurationError,
            preflight.check_adopted,
            deployment(adopted=True),
            backup_key_is_set=False,
        )
        self.assertIn("backup_metadata_key", str(error))
        self.assertEqual(1, len(str(error).splitlines()))

    def test_set_it_may_start(self) -> None:
        preflight.check_adopted(
            deployment(adopted=True), backup_key_is_set=True
        )

    def test_a_new_database_has_the_default(self) -> None:
        preflight.check_adopted(
            deployment(adopted=False), backup_key_is_set=False
        )
