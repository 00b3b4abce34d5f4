# SPDX-License-Identifier: Apache-2.0
"""Numbers about what Staffeln does, for those who watch it."""
