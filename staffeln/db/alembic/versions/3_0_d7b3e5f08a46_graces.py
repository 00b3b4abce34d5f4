# SPDX-License-Identifier: Apache-2.0
"""Graces: which volumes have a backup whose retention became shorter.

Every step can be repeated, as in the revisions before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "d7b3e5f08a46"
down_revision = "a4d18c6e2b97"
branch_labels = None
depends_on = None

_NAME = "ix_backups_grace"


def upgrade() -> None:
    """Add an index."""
    shape = sa.inspect(op.get_bind())
    if _NAME not in {each["name"] for each in shape.get_indexes("backups")}:
        op.create_index(_NAME, "backups", ["grace", "volume_id"])
