# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks of scale share: targets, figures, rows, tables."""
