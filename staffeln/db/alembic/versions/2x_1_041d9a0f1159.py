# SPDX-License-Identifier: Apache-2.0
"""Release 2.x: names of volumes and instances.

Nothing is done here: the first revision of 3.0 looks at what it finds.
"""

from __future__ import annotations

revision = "041d9a0f1159"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing to do."""
