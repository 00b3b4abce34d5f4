# SPDX-License-Identifier: Apache-2.0
"""Tests of the real services on the sandbox cloud."""
