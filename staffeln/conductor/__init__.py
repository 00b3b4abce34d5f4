# SPDX-License-Identifier: Apache-2.0
"""The process that schedules and works: its start, its loops, its end.

What the loops call is handed in; what it means is in ``workflow``.
"""
