# SPDX-License-Identifier: Apache-2.0
"""The database: models, sessions, every query, and migrations."""
