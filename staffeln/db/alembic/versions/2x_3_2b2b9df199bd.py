# SPDX-License-Identifier: Apache-2.0
"""Release 2.x: reasons of failures.

Nothing is done here: the first revision of 3.0 looks at what it finds.
"""

from __future__ import annotations

revision = "2b2b9df199bd"
down_revision = "ebdbed01e9a7"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do."""
