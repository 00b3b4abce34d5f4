# SPDX-License-Identifier: Apache-2.0
"""The OpenAPI document of the table of routes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from staffeln import version
from staffeln.api import parameters, routes, trace

_HEADERS = {
    trace.HEADER: {
        "description": "The request's id, which its log lines have as well.",
        "schema": {"type": "string", "pattern": "^req-[0-9a-fA-F-]{36}$"},
    }
}


def document(table: Iterable[routes.Route]) -> dict[str, Any]:
    """OpenAPI 3.1, of these routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(
            route
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Staffeln",
            "version": version.version_string(),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
    }


def _operation(route: routes.Route) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "parameters": [_parameter(each) for each in route.parameters],
        "responses": {
            str(status): {
                "description": answer.description,
                "headers": _HEADERS,
                "content": _content(answer.content),
            }
            for status, answer in route.answers.items()
        },
    }
    if route.body is not None:
        found["requestBody"] = {
            "required": False,
            "content": _content(route.body),
        }
    return found


def _parameter(parameter: parameters.Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "description": parameter.description,
        "required": parameter.required,
        "schema": parameter.schema,
    }


def _content(schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: {"schema": schema} for kind, schema in schemas.items()}
