# SPDX-License-Identifier: Apache-2.0
"""Release 2.x: full or incremental.

Nothing is done here: the first revision of 3.0 looks at what it finds.
"""

from __future__ import annotations

revision = "ebdbed01e9a7"
down_revision = "041d9a0f1159"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do."""
