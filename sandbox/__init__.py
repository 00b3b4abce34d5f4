# SPDX-License-Identifier: Apache-2.0
"""A real single-node OpenStack on loopback, and what lives in it."""
