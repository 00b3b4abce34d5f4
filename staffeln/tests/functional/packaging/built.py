# SPDX-License-Identifier: Apache-2.0
"""Distributions of this checkout, and one installed from its wheel."""

from __future__ import annotations

import atexit
import dataclasses
import fcntl
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from collections.abc import Mapping, Sequence

from staffeln.tests import base
from staffeln.tests.servers import process
from staffeln.tests.unit.packaging import manifests
from staffeln.tests.unit.packaging.manifests import ROOT

VERSION = "3.0.0.dev7"
TOOLS = "tools/lib/build.txt"
"""What builds, as a file of requirements."""

NOT_SOURCE = (
    ".*",
    "*.egg-info",
    "*.py[cod]",
    "__pycache__",
    "AUTHORS",
    "ChangeLog",
    "RELEASENOTES.rst",
    "build",
    "cover",
    "dist",
    "reno.cache",
)
"""What a checkout has besides its source."""

_BUILD = (
    "import sys; from pbr import build as b; getattr(b, sys.argv[1])('{}')"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Built:
    """What was made of the checkout."""

    source: pathlib.Path
    """An export without git."""
    sdist: pathlib.Path
    wheel: pathlib.Path
    """Made of the export."""
    second_wheel: pathlib.Path
    """Made of the source distribution."""
    image_wheel: pathlib.Path
    """Made of what the image is made of."""

    def source_files(self, below: str = "") -> set[str]:
        """The files of the export, below a folder."""
        return {
            str(path.relative_to(self.source))
            for path in (self.source / below).rglob("*")
            if path.is_file()
        }

    def packed(self) -> set[str]:
        """The files of the source distribution, as the export has them."""
        with tarfile.open(self.sdist) as archive:
            return {
                each.name.partition("/")[2]
                for each in archive
                if each.isfile()
            }


def run(
    command: Sequence[str | pathlib.Path],
    environment: Mapping[str, str],
    folder: pathlib.Path,
) -> None:
    """Run something that has to go well.

    :raises ServerError: it does not; with its last words.
    """
    done = subprocess.run(
        command,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise process.ServerError(f"{command}: {done.stdout[-3000:]}")


def offline(wheels: pathlib.Path) -> dict[str, str]:
    """The environment in which pip asks nobody."""
    return {
        "PATH": os.defpath,
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
        "PBR_VERSION": VERSION,
    }


def wheelhouse() -> pathlib.Path:
    """The wheels of all that Staffeln runs and is built with, fetched once.

    :raises ServerError: they cannot be fetched.
    """
    files = [ROOT / "requirements.txt", ROOT / TOOLS]
    key = hashlib.sha256(sys.version.encode())
    for file in files:
        key.update(file.read_bytes())
    cache = process.cache()
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"wheels-{key.hexdigest()[:12]}"
    with (cache / "wheels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            # Renamed when it is whole: what was cut short is no cache.
            fetched = folder.with_suffix(".new")
            shutil.rmtree(fetched, ignore_errors=True)
            pip = [sys.executable, "-m", "pip", "-q", "wheel", "-w"]
            named = [word for file in files for word in ("-r", str(file))]
            run([*pip, str(fetched), *named], base.HOST_ENVIRONMENT, cache)
            fetched.rename(folder)
    return folder


@functools.cache
def _folder() -> pathlib.Path:
    made = process.make_folder(None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


@functools.cache
def distributions() -> Built:
    """Build them; once for all tests of this process."""
    wheels, folder = wheelhouse(), _folder()
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCE))
    # Made with the pages.
    (source / "doc/source/_static/staffeln.conf.sample").unlink(True)
    for name in (".importlinter", ".stestr.conf"):
        shutil.copy(ROOT / name, source)
    builder = folder / "builder"
    pip("install", "-q", "--target", builder, "-r", source / TOOLS)

    def build(what: str, of: pathlib.Path) -> pathlib.Path:
        out = pathlib.Path(tempfile.mkdtemp(dir=folder))
        # A copy: builds leave things behind.
        copy = out / "copy"
        shutil.copytree(of, copy)
        run(
            # Without the packages of this environment: some take part in
            # each build that finds them.
            [sys.executable, "-S", "-c", _BUILD.format(out), what],
            offline(wheels) | {"PYTHONPATH": str(builder)},
            copy,
        )
        shutil.rmtree(copy)
        (made,) = out.iterdir()
        return made

    sdist = build("build_sdist", source)
    shutil.unpack_archive(sdist, folder / "unpacked")
    (unpacked,) = (folder / "unpacked").iterdir()
    return Built(
        source=source,
        sdist=sdist,
        wheel=build("build_wheel", source),
        second_wheel=build("build_wheel", unpacked),
        image_wheel=build("build_wheel", _copied(source, folder)),
    )


def _copied(source: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """What the Containerfile copies of the export."""
    made = folder / "image"
    made.mkdir()
    for name in manifests.copied():
        if (source / name).is_dir():
            shutil.copytree(source / name, made / name)
        else:
            shutil.copy(source / name, made)
    return made


@functools.cache
def programs() -> pathlib.Path:
    """Where the programs of the installed wheel are."""
    home = _folder() / "clean"
    venv.create(home, symlinks=True)
    pip(
        "--python",
        home / "bin/python",
        "install",
        "-q",
        distributions().wheel,
    )
    return home / "bin"


def pip(*arguments: str | pathlib.Path) -> None:
    """Run this environment's pip; it asks nobody."""
    command = [sys.executable, "-m", "pip", *arguments]
    run(command, offline(wheelhouse()), _folder())


def members(path: pathlib.Path) -> dict[str, bytes]:
    """The files of a wheel, by name."""
    with zipfile.ZipFile(path) as archive:
        return {
            name: archive.read(name)
            for name in archive.namelist()
            if not name.endswith("/")
        }
