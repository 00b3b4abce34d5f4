# SPDX-License-Identifier: Apache-2.0
"""Runs migrations on the connection that staffeln.db.migration hands in."""

from alembic import context

from staffeln.db import models

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=models.Base.metadata,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
