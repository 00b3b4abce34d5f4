# SPDX-License-Identifier: Apache-2.0
"""A simulated cloud for load: Keystone, Nova and Cinder on loopback.

:class:`Shape` says what is in it, :class:`Behaviour` how it behaves, and
:class:`Simulated` starts it and stops it again.
"""

from benchmarks.cloud.behaviour import Behaviour, Failure
from benchmarks.cloud.counters import Counts
from benchmarks.cloud.scenery import Existing, Shape
from benchmarks.cloud.simulated import Simulated

__all__ = ["Behaviour", "Counts", "Existing", "Failure", "Shape", "Simulated"]
