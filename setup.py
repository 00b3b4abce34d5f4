# SPDX-License-Identifier: Apache-2.0
"""Build entry point: what is built is declared in setup.cfg, read by pbr."""

import setuptools
from setuptools.command import build_py

_TESTS = "staffeln.tests"


class BuildWithoutTests(build_py.build_py):
    """The tests, with their samples of databases, stay in the source."""

    def finalize_options(self) -> None:
        """Leave their packages out, before anything is looked for."""
        super().finalize_options()
        self.packages = [
            name
            for name in self.packages or ()
            if name != _TESTS and not name.startswith(f"{_TESTS}.")
        ]


class Distribution(setuptools.Distribution):
    """Takes that command; pbr sets cmdclass itself and keeps no other."""

    def get_command_class(self, command: str) -> type[setuptools.Command]:
        """The class of a command."""
        if command == "build_py":
            return BuildWithoutTests
        return super().get_command_class(command)


setuptools.setup(
    setup_requires=["pbr>=6.0"],
    pbr=True,
    distclass=Distribution,
    # Without its package each file there would count as data of its parent.
    exclude_package_data={"staffeln": ["tests/*"]},
)
