# SPDX-License-Identifier: Apache-2.0
"""Release 2.x: the time of the last report.

Nothing is done here: the first revision of 3.0 looks at what it finds.
"""

from __future__ import annotations

revision = "5b2e78435231"
down_revision = "2b2b9df199bd"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do."""
