# SPDX-License-Identifier: Apache-2.0
"""The work itself, through the ports: start reading at ``cycle.py``."""
