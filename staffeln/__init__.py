# SPDX-License-Identifier: Apache-2.0
"""Staffeln: scheduled, non-disruptive volume backups for OpenStack."""
