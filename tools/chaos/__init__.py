# SPDX-License-Identifier: Apache-2.0
"""Conductors in trouble: many faults on a real cloud, and what must hold.

``world`` is all that runs, ``faults`` what goes wrong, ``observer`` what
must be true, ``run`` the story from the first backup to the last look.
"""
