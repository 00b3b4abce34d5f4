# SPDX-License-Identifier: Apache-2.0
"""Fakes of the ports, which pass the same suites as the real things."""
