# SPDX-License-Identifier: Apache-2.0
"""How a deployment is: what its doctor sees."""
