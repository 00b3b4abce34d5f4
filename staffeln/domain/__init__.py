# SPDX-License-Identifier: Apache-2.0
"""The rules of Staffeln: pure functions over plain data.

Standard library only; no clock, no logging, no I/O. Every rule takes
``now`` where time matters. Times are :class:`datetime.datetime` in UTC
without a zone.
"""
