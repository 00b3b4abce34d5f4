# SPDX-License-Identifier: Apache-2.0
"""Where everything lies and on which port everything listens."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
import platform
import re
import secrets

from sandbox_cloud.errors import BadRequest

CODE = pathlib.Path(__file__).resolve().parent.parent
REQUIREMENTS = CODE / "requirements.txt"
CONSTRAINTS = CODE / "constraints.txt"

HOST = "127.0.0.1"
REGION = "RegionOne"
DEFAULT_BASE_PORT = 15000
DEFAULT_PAGE_LIMIT = 1000
OPTIONAL = ("glance", "neutron", "swift", "barbican")
# Distance of each service's port from the base port.  Without Neutron an
# empty stub answers on Neutron's port.
PORT_OFFSETS = {
    "keystone": 0,
    "nova": 1,
    "placement": 2,
    "cinder": 3,
    "neutron": 4,
    "glance": 5,
    "swift": 6,
    "swift-account": 7,
    "swift-container": 8,
    "swift-object": 9,
    "barbican": 10,
}


def cache_directory() -> pathlib.Path:
    """The directory outside the checkout that holds venv and states."""
    own = os.environ.get("STAFFELN_CACHE")
    if own:
        return pathlib.Path(own).absolute() / "sandbox"
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home).absolute() / "staffeln" / "sandbox"


def venv_directory(python_version: str) -> pathlib.Path:
    """The venv for these pins and this Python; another lock, another venv."""
    seal = hashlib.sha256()
    for part in (
        REQUIREMENTS.read_bytes(),
        CONSTRAINTS.read_bytes(),
        python_version.encode(),
        platform.machine().encode(),
    ):
        seal.update(hashlib.sha256(part).digest())
    return cache_directory() / f"venv-{seal.hexdigest()[:12]}"


@dataclasses.dataclass(frozen=True)
class Layout:
    """The files of one named sandbox."""

    name: str
    root: pathlib.Path

    @classmethod
    def of(cls, name: str) -> Layout:
        """The layout of sandbox ``name``, whether it exists or not."""
        if not re.fullmatch(r"(?!venv)[a-z0-9][a-z0-9_-]{0,40}", name):
            raise BadRequest(
                f"--name {name!r}: use small letters, digits, - and _, and"
                ' nothing that starts with "venv"'
            )
        return cls(name, cache_directory() / name)

    @property
    def lock(self) -> pathlib.Path:
        """Held while a command changes this sandbox; survives reset."""
        return self.root.with_name(f"{self.name}.lock")

    @property
    def etc(self) -> pathlib.Path:
        return self.root / "etc"

    @property
    def log(self) -> pathlib.Path:
        return self.root / "log"

    @property
    def run(self) -> pathlib.Path:
        return self.root / "run"

    @property
    def databases(self) -> pathlib.Path:
        return self.root / "db"

    @property
    def prepared(self) -> pathlib.Path:
        """One mark for each service whose database is filled."""
        return self.root / "prepared"

    @property
    def volumes(self) -> pathlib.Path:
        return self.root / "volumes"

    @property
    def backups(self) -> pathlib.Path:
        return self.root / "backups"

    @property
    def faults(self) -> pathlib.Path:
        return self.root / "faults"

    @property
    def settings(self) -> pathlib.Path:
        return self.root / "settings.json"

    @property
    def cinder_more(self) -> pathlib.Path:
        """Options of Cinder's that only some have, a file each."""
        return self.etc / "cinder.d"

    @property
    def clouds_yaml(self) -> pathlib.Path:
        return self.root / "clouds.yaml"

    def database(self, name: str) -> pathlib.Path:
        return self.databases / f"{name}.sqlite"

    def make(self) -> None:
        """Make the directories; only this user may look into them."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)
        for directory in (
            self.etc,
            self.log,
            self.run,
            self.databases,
            self.prepared,
            self.volumes,
            self.backups,
            self.faults,
        ):
            directory.mkdir(exist_ok=True)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What was asked for when the sandbox was made or last changed."""

    base_port: int
    page_limit: int
    optional: tuple[str, ...]
    password: str
    debug: bool = False

    @classmethod
    def fresh(cls) -> Settings:
        return cls(
            DEFAULT_BASE_PORT,
            DEFAULT_PAGE_LIMIT,
            (),
            # One that began with "-" would be an option to keystone-manage.
            secrets.token_hex(18),
        )

    @classmethod
    def load(cls, layout: Layout) -> Settings | None:
        """The stored settings, or None where no sandbox was made yet."""
        try:
            stored = json.loads(layout.settings.read_text())
            return cls(**{**stored, "optional": tuple(stored["optional"])})
        except FileNotFoundError:
            return None

    def store(self, layout: Layout) -> None:
        write_private(
            layout.settings,
            json.dumps(dataclasses.asdict(self), indent=1) + "\n",
        )

    def port(self, service: str) -> int:
        return self.base_port + PORT_OFFSETS[service]

    def url(self, service: str) -> str:
        return f"http://{HOST}:{self.port(service)}"

    @property
    def identity_url(self) -> str:
        return self.url("keystone") + "/v3"


def write_private(path: pathlib.Path, text: str) -> None:
    """Write ``path`` whole or not at all, readable by this user only."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as out:
        out.write(text)
    draft.replace(path)
