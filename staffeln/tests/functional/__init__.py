# SPDX-License-Identifier: Apache-2.0
"""One suite per port, run against the fake and every real thing."""
