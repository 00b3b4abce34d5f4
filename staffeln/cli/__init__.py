# SPDX-License-Identifier: Apache-2.0
"""The ``staffeln`` command: one command per file, by cliff.

Commands get the database, the cloud and the settings handed in (doors.py)
and open them only when they run, so that ``--help`` loads none of it.
"""
