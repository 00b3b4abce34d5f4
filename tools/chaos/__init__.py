# SPDX-License-Identifier: Apache-2.0
"""Conductors in trouble: many faults on a real cloud, and what must hold.

``settings`` is what the conductors are told, ``conductor`` one of them,
``world`` all that runs, ``faults`` what goes wrong, ``database`` and
``observer`` what must not be, ``run`` the story from the first backup to the
last look. See doc/source/contributor/chaos.rst.
"""
