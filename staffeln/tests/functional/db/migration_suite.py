# SPDX-License-Identifier: Apache-2.0
"""What a migration has to keep, from every known starting point."""

from staffeln.tests.functional.db import (
    adoption_suite,
    crash_suite,
    export_suite,
    rehearsal_suite,
    released_suite,
    schema_suite,
    side_by_side_suite,
)


class MigrationSuite(
    schema_suite.SchemaSuite,
    adoption_suite.AdoptionSuite,
    crash_suite.CrashSuite,
    export_suite.ExportSuite,
    rehearsal_suite.RehearsalSuite,
    released_suite.ReleasedSuite,
    side_by_side_suite.SideBySideSuite,
):
    """Inherit this with ``new_url``."""
