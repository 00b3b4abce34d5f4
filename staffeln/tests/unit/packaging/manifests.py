# SPDX-License-Identifier: Apache-2.0
"""What etc/kubernetes holds."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import yaml

ROOT = pathlib.Path(__file__).parents[4]
FOLDER = ROOT / "etc/kubernetes"
NAMESPACE = "staffeln"
EXAMPLE = "secret.example.yaml"
"""What operators replace."""
ORDER = "kustomization.yaml"
"""What names the others, in the order in which they are applied."""

Object = dict[str, Any]


def copied() -> list[str]:
    """What the Containerfile takes from a checkout."""
    text = (ROOT / "Containerfile").read_text().replace("\\\n", "")
    lines = [line.split() for line in text.splitlines()]
    return [
        name
        for words in lines
        if words[:1] == ["COPY"] and not words[1].startswith("--from=")
        for name in words[1:-1]
    ]


def read(name: str) -> list[Object]:
    """The objects of one file."""
    return list(yaml.safe_load_all((FOLDER / name).read_text()))


def kustomization() -> Object:
    """The file that names the others."""
    return read(ORDER)[0]


def objects() -> list[Object]:
    """All of them in the order in which they are applied."""
    first, *rest = kustomization()["resources"]
    return [each for name in (first, EXAMPLE, *rest) for each in read(name)]


def one(kind: str, name: str) -> Object:
    """The object of a kind and a name."""
    (found,) = (
        each
        for each in objects()
        if each["kind"] == kind and each["metadata"]["name"] == name
    )
    return found


def workloads() -> Iterator[Object]:
    """What makes pods."""
    return (
        each for each in objects() if each["kind"] in ("Deployment", "Job")
    )


def container(workload: Object) -> Object:
    """The one container of a workload's pods."""
    (found,) = workload["spec"]["template"]["spec"]["containers"]
    return dict(found)


def files(workload: Object) -> dict[str, str]:
    """What lies in /etc/staffeln of a workload's pods, by name."""
    found: dict[str, str] = {}
    (volume,) = (
        each
        for each in workload["spec"]["template"]["spec"]["volumes"]
        if each["name"] == "config"
    )
    for source in volume["projected"]["sources"]:
        if "configMap" in source:
            found |= one("ConfigMap", source["configMap"]["name"])["data"]
        else:
            found |= one("Secret", source["secret"]["name"])["stringData"]
    return found
