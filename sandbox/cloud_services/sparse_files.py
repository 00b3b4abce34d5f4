# SPDX-License-Identifier: Apache-2.0
"""A Cinder volume driver: every volume is one sparse file.

No LVM, no loop device, no root, no iSCSI.  Volumes are handed out by path,
so that Cinder's backup service reads and writes the file itself.
"""

import os
from typing import Any

from cinder import exception, interface
from cinder.image import image_utils
from cinder.volume import configuration, driver
from oslo_config import cfg
from oslo_utils import units

OPTIONS = [
    cfg.StrOpt("sandbox_volumes_dir", help="Directory that holds the volumes"),
]
cfg.CONF.register_opts(OPTIONS, group=configuration.SHARED_CONF_GROUP)

# What the scheduler is told; the files are sparse, so it need not be true.
CAPACITY_GIB = 8192


def copy_data(source: str, target: str, size: int) -> None:
    """Make ``target`` of ``size`` bytes with the data of ``source``.

    Holes stay holes.
    """
    with open(source, "rb") as reading, open(target, "wb") as writing:
        length = os.fstat(reading.fileno()).st_size
        writing.truncate(max(length, size))
        position = 0
        while position < length:
            try:
                position = os.lseek(reading.fileno(), position, os.SEEK_DATA)
            except OSError:
                # Nothing but a hole up to the end.
                break
            end = os.lseek(reading.fileno(), position, os.SEEK_HOLE)
            while position < end:
                position += os.copy_file_range(
                    reading.fileno(),
                    writing.fileno(),
                    end - position,
                    position,
                    position,
                )


@interface.volumedriver
class SparseFileDriver(driver.VolumeDriver):
    """Volumes and snapshots as files of one directory."""

    VERSION = "1.0.0"
    CI_WIKI_NAME = "none"
    SUPPORTED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)

    def _path(self, thing: Any) -> str:
        directory = self.configuration.sandbox_volumes_dir
        return os.path.join(directory, thing.name)

    def local_path(self, volume: Any) -> str:
        return self._path(volume)

    def secure_file_operations_enabled(self) -> bool:
        """True: nothing is ever run as root."""
        return True

    def do_setup(self, context: Any) -> None:
        pass

    def check_for_setup_error(self) -> None:
        directory = self.configuration.sandbox_volumes_dir
        if not os.access(directory, os.W_OK):
            raise exception.VolumeBackendAPIException(
                data=f"{directory} is not writable"
            )

    def _update_volume_stats(self) -> None:
        self._stats = {
            "volume_backend_name": self.configuration.volume_backend_name,
            "vendor_name": "sandbox",
            "driver_version": self.VERSION,
            "storage_protocol": "file",
            "pools": [
                {
                    "pool_name": "files",
                    "total_capacity_gb": CAPACITY_GIB,
                    "free_capacity_gb": CAPACITY_GIB,
                    "provisioned_capacity_gb": 0,
                    "reserved_percentage": 0,
                    "max_over_subscription_ratio": "100.0",
                    "thin_provisioning_support": True,
                    "thick_provisioning_support": False,
                    "multiattach": True,
                    "QoS_support": False,
                }
            ],
        }

    def create_volume(self, volume: Any) -> None:
        with open(self._path(volume), "wb") as out:
            out.truncate(volume.size * units.Gi)

    def _remove(self, thing: Any) -> None:
        if os.path.exists(self._path(thing)):
            os.unlink(self._path(thing))

    def delete_volume(self, volume: Any) -> None:
        self._remove(volume)

    def extend_volume(self, volume: Any, new_size: int) -> None:
        os.truncate(self._path(volume), new_size * units.Gi)

    def create_cloned_volume(self, volume: Any, src_vref: Any) -> None:
        copy_data(
            self._path(src_vref), self._path(volume), volume.size * units.Gi
        )

    def create_snapshot(self, snapshot: Any) -> None:
        copy_data(self._path(snapshot.volume), self._path(snapshot), 0)

    def delete_snapshot(self, snapshot: Any) -> None:
        self._remove(snapshot)

    def create_volume_from_snapshot(self, volume: Any, snapshot: Any) -> None:
        copy_data(
            self._path(snapshot), self._path(volume), volume.size * units.Gi
        )

    def revert_to_snapshot(
        self, context: Any, volume: Any, snapshot: Any
    ) -> None:
        self.create_volume_from_snapshot(volume, snapshot)

    def copy_image_to_volume(
        self,
        context: Any,
        volume: Any,
        image_service: Any,
        image_id: str,
        disable_sparse: bool = False,
    ) -> None:
        image_utils.fetch_to_raw(
            context,
            image_service,
            image_id,
            self._path(volume),
            self.configuration.volume_dd_blocksize,
            size=volume.size,
            run_as_root=False,
        )
        os.truncate(self._path(volume), volume.size * units.Gi)

    def copy_volume_to_image(
        self, context: Any, volume: Any, image_service: Any, image_meta: Any
    ) -> None:
        image_utils.upload_volume(
            context,
            image_service,
            image_meta,
            self._path(volume),
            volume,
            run_as_root=False,
        )

    def ensure_export(self, context: Any, volume: Any) -> None:
        pass

    def create_export(self, context: Any, volume: Any, connector: Any) -> None:
        pass

    def remove_export(self, context: Any, volume: Any) -> None:
        pass

    def create_export_snapshot(
        self, context: Any, snapshot: Any, connector: Any
    ) -> None:
        pass

    def remove_export_snapshot(self, context: Any, snapshot: Any) -> None:
        pass

    def _connection(self, thing: Any) -> dict[str, Any]:
        return {
            "driver_volume_type": "local",
            "data": {"device_path": self._path(thing)},
        }

    def initialize_connection(
        self, volume: Any, connector: Any, **kwargs: Any
    ) -> dict[str, Any]:
        return self._connection(volume)

    def terminate_connection(
        self, volume: Any, connector: Any, **kwargs: Any
    ) -> None:
        """Give the file its size again.

        A restore opens the volume to write it from its beginning and skips
        zeroes; that cuts a file short, as it never does a block device.
        """
        path = self._path(volume)
        size = volume.size * units.Gi
        if os.path.exists(path) and os.path.getsize(path) < size:
            os.truncate(path, size)

    def initialize_connection_snapshot(
        self, snapshot: Any, connector: Any, **kwargs: Any
    ) -> dict[str, Any]:
        return self._connection(snapshot)

    def terminate_connection_snapshot(
        self, snapshot: Any, connector: Any, **kwargs: Any
    ) -> None:
        pass

    def backup_use_temp_snapshot(self) -> Any:
        return self.configuration.safe_get("backup_use_temp_snapshot")
