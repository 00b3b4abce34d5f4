# SPDX-License-Identifier: Apache-2.0
"""Tests of one module each; the folders mirror those of staffeln."""
