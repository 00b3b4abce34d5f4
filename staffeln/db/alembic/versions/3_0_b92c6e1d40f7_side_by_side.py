# SPDX-License-Identifier: Apache-2.0
"""Side by side: which release before may go on with a newer schema.

Every step can be repeated, as in the revisions before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "b92c6e1d40f7"
down_revision = "d7b3e5f08a46"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column; of 3.0 there is no release before that could."""
    shape = sa.inspect(op.get_bind())
    columns = {each["name"] for each in shape.get_columns("deployment")}
    if "serves" not in columns:
        op.add_column("deployment", sa.Column("serves", sa.String(32)))
