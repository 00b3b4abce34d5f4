# SPDX-License-Identifier: Apache-2.0
"""Real database servers for tests, from the distribution's packages.

They listen on loopback, keep their data in a temporary folder, and end
with the process that started them, however it ends.
"""
