# SPDX-License-Identifier: Apache-2.0
"""Cinder's Posix backup driver, with faults on demand and quick on holes."""

import functools
import hashlib
import json
import time
from typing import Any

from cinder import exception
from cinder.backup.drivers import posix
from oslo_config import cfg

OPTIONS = [
    cfg.StrOpt(
        "sandbox_backup_faults",
        help="JSON file that says which backups are to be slow or to fail",
    ),
]
cfg.CONF.register_opts(OPTIONS)

# Seconds between two looks at the file of faults while a backup is held up.
LOOK_INTERVAL = 0.2

# Length of a chunk of zeroes -> algorithm, packed bytes, MD5.
_PACKED: dict[int, tuple[str, bytes, str]] = {}


@functools.cache
def _zero_digest(size: int) -> str:
    return hashlib.sha256(bytes(size)).hexdigest()


class SandboxBackupDriver(posix.PosixBackupDriver):
    """The Posix driver plus the faults that ``sandbox/cloud fault`` sets.

    Most of a sandbox's volumes are holes, and comparing with zeroes is much
    faster than hashing and packing them. What is stored is the same, byte
    for byte, as without these short cuts.
    """

    def backup(
        self, backup: Any, volume_file: Any, backup_metadata: bool = True
    ) -> Any:
        """Back up the volume, after whatever fault is set for it."""
        self._suffer(backup)
        return super().backup(backup, volume_file, backup_metadata)

    def _suffer(self, backup: Any) -> None:
        fault = self._fault_of(backup)
        end = time.monotonic() + float(fault.get("delay_seconds") or 0)
        # time.sleep lets other operations go on: eventlet has patched it.
        # Clearing the fault lets the backup go on at once.
        while time.monotonic() < end and self._fault_of(backup):
            time.sleep(LOOK_INTERVAL)
        if fault.get("fail"):
            raise exception.BackupDriverException(reason=fault["fail"])

    def _fault_of(self, backup: Any) -> dict[str, Any]:
        """The fault that is set for this backup, or an empty one."""
        try:
            with open(cfg.CONF.sandbox_backup_faults, encoding="utf-8") as f:
                fault: dict[str, Any] = json.load(f)
        except FileNotFoundError:
            return {}
        kind = "incremental" if backup.parent_id else "full"
        volumes = fault.get("volume_ids")
        if fault.get("only") not in (None, kind):
            return {}
        if volumes is not None and backup.volume_id not in volumes:
            return {}
        return fault

    def _calculate_sha(self, data: bytes) -> list[str]:
        """The digest of every block; that of a block of zeroes is known."""
        size = self.sha_block_size_bytes
        zeroes = bytes(size)
        known = _zero_digest(size)
        if data == bytes(len(data)) and len(data) % size == 0:
            return [known] * (len(data) // size)
        digests = []
        for offset in range(0, len(data), size):
            block = data[offset : offset + size]
            digests.append(
                known if block == zeroes else hashlib.sha256(block).hexdigest()
            )
        return digests

    def _backup_chunk(
        self,
        backup: Any,
        container: str,
        data: bytes,
        data_offset: int,
        object_meta: dict[str, Any],
        extra_metadata: Any,
    ) -> None:
        """Store one chunk; one of zeroes is packed once and for all."""
        size = len(data)
        if size != self.chunk_size_bytes or data != bytes(size):
            super()._backup_chunk(
                backup,
                container,
                data,
                data_offset,
                object_meta,
                extra_metadata,
            )
            return
        algorithm, packed, digest = self._packed_zeroes(data)
        name = f"{object_meta['prefix']}-{object_meta['id']:05d}"
        with self._get_object_writer(container, name) as writer:
            writer.write(packed)
        about = {
            "offset": data_offset,
            "length": size,
            "compression": algorithm,
            "md5": digest,
        }
        object_meta["list"].append({name: about})
        object_meta["id"] += 1
        # Let other operations go on, as the original does.
        time.sleep(0)

    def _packed_zeroes(self, zeroes: bytes) -> tuple[str, bytes, str]:
        """How a chunk of zeroes is stored, and its MD5."""
        if len(zeroes) not in _PACKED:
            digest = hashlib.md5(zeroes, usedforsecurity=False).hexdigest()
            _PACKED[len(zeroes)] = (
                *self._prepare_output_data(zeroes),
                digest,
            )
        return _PACKED[len(zeroes)]
