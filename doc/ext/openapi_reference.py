# SPDX-License-Identifier: Apache-2.0
"""The directive ``openapi-reference``: each operation of the API.

It reads the document that ``staffeln-api`` answers at ``/openapi.json``, so
that the page cannot differ from the code.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from staffeln.api import openapi, parameters, routes

Schema = Mapping[str, Any]


def _paragraph(*parts: str | nodes.Node) -> nodes.paragraph:
    return nodes.paragraph(
        "",
        "",
        *(
            nodes.Text(part) if isinstance(part, str) else part
            for part in parts
        ),
    )


def _code(text: str) -> nodes.literal:
    return nodes.literal("", text)


def _table(head: tuple[str, ...], widths: tuple[int, ...], rows: Any) -> Any:
    """A table of rows, each a tuple of nodes."""
    group = nodes.tgroup("", cols=len(head))
    group.extend(nodes.colspec("", colwidth=each) for each in widths)
    above = nodes.row()
    above.extend(nodes.entry("", _paragraph(each)) for each in head)
    group += nodes.thead("", above)
    body = nodes.tbody()
    for cells in rows:
        line = nodes.row()
        line.extend(nodes.entry("", cell) for cell in cells)
        body += line
    group += body
    return nodes.table("", group)


def _limits(schema: Schema) -> str:
    """What a schema of a single value says, in words."""
    if "enum" in schema:
        return "one of " + ", ".join(str(each) for each in schema["enum"])
    words = str(schema.get("type", "any"))
    if "minLength" in schema:
        words += (
            f" of {schema['minLength']} to {schema['maxLength']} characters"
        )
    return words


def _bodies(
    content: Mapping[str, Mapping[str, Schema]],
) -> Iterator[nodes.Node]:
    for kind, body in content.items():
        yield _paragraph(_code(kind))
        text = json.dumps(body["schema"], indent=2)
        block = nodes.literal_block(text, text)
        block["language"] = "json"
        yield block


def _operation(path: str, method: str, operation: Schema) -> nodes.section:
    title = f"{method.upper()} {path}"
    section = nodes.section(ids=[nodes.make_id(f"api {title}")])
    section += nodes.title("", "", _code(title))
    section += _paragraph(operation["summary"])
    if operation["parameters"]:
        section += _table(
            ("Parameter", "Needed", "Value", "What it is"),
            (15, 10, 25, 50),
            [
                (
                    _paragraph(_code(each["name"])),
                    _paragraph("yes" if each["required"] else "no"),
                    _paragraph(_limits(each["schema"])),
                    _paragraph(each["description"]),
                )
                for each in operation["parameters"]
            ],
        )
    section += _table(
        ("Status", "Type", "What it means"),
        (10, 30, 60),
        [
            (
                _paragraph(_code(status)),
                _paragraph(", ".join(answer["content"])),
                _paragraph(answer["description"]),
            )
            for status, answer in operation["responses"].items()
        ],
    )
    if "requestBody" in operation:
        section += _paragraph(
            "Body: not needed; when there is one, it is read as:"
        )
        section.extend(_bodies(operation["requestBody"]["content"]))
    good = operation["responses"].get("200", {"content": {}})["content"]
    if "application/json" in good:
        section += _paragraph("The answer:")
        section.extend(_bodies({"application/json": good["application/json"]}))
    return section


class OpenapiReference(SphinxDirective):
    """Insert a section for each operation."""

    def run(self) -> list[nodes.Node]:
        for module in (openapi, parameters, routes):
            self.env.note_dependency(module.__file__)
        document = openapi.document(routes.table(metrics=True))
        return [
            _operation(path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive with Sphinx."""
    app.add_directive("openapi-reference", OpenapiReference)
    return {"parallel_read_safe": True}
