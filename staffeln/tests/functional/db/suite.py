# SPDX-License-Identifier: Apache-2.0
"""What every store has to keep: the contract of ``ports.Store``."""

from staffeln.tests.functional.db import (
    census_suite,
    lasting_suite,
    moving_suite,
    planning_suite,
    reading_suite,
    reports_suite,
    retention_suite,
    throttle_suite,
    waiting_suite,
)


class StoreSuite(
    planning_suite.PlanningSuite,
    moving_suite.MovingSuite,
    reading_suite.ReadingSuite,
    throttle_suite.ThrottleSuite,
    retention_suite.RetentionSuite,
    lasting_suite.LastingSuite,
    reports_suite.ReportsSuite,
    waiting_suite.WaitingSuite,
    census_suite.CensusSuite,
):
    """Inherit this with ``new_store``; a store passes when all tests do."""
