# SPDX-License-Identifier: Apache-2.0
"""Import contracts that import-linter does not have by itself."""

import sys
from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output


class StandardLibraryOnly(Contract):
    """Packages that may import themselves and the standard library.

    ``refused`` names the modules of the standard library that they may not
    import either.
    """

    # Contract replaces these fields by plain values when it reads them.
    source_modules: Any = fields.ListField(subfield=fields.ModuleField())
    refused: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        del verbose
        refused = set(self.refused)
        allowed = set(sys.stdlib_module_names) - refused
        broken = []
        for source in self.source_modules:
            package = source.name
            for module in (package, *graph.find_descendants(package)):
                for name in graph.find_modules_directly_imported_by(module):
                    inside = f"{name}.".startswith(f"{package}.")
                    if not inside and name.split(".")[0] not in allowed:
                        broken.append((module, name))
        return ContractCheck(
            kept=not broken, metadata={"broken": sorted(broken)}
        )

    def render_broken_contract(self, check: ContractCheck) -> None:
        broken: list[Any] = check.metadata["broken"]
        for module, name in broken:
            output.print_error(f"{module} may not import {name}")
