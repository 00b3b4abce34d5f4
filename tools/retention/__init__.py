# SPDX-License-Identifier: Apache-2.0
"""Watching retention on a real Cinder against the reference model."""
