# SPDX-License-Identifier: Apache-2.0
"""Whole services, as processes, on a simulated cloud and real databases."""
