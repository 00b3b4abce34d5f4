# SPDX-License-Identifier: Apache-2.0
"""From a configuration to objects: the only place that puts things together.

Adapters are imported inside the functions that build them, so that a
program loads only what it uses.
"""
