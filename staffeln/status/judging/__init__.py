# SPDX-License-Identifier: Apache-2.0
"""From facts to findings: pure functions, one or two for each check."""
