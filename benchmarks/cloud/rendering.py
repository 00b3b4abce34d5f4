# SPDX-License-Identifier: Apache-2.0
"""Rows of lists as the services show them, with all the fields they have.

Texts are put together by hand: pages of a thousand rows are made of them.
"""

from __future__ import annotations

import datetime
import json

from benchmarks.cloud.copies import Backup
from benchmarks.cloud.scenery import Shape
from benchmarks.cloud.things import Server, Volume

_NOWHERE = "http://127.0.0.1/volume"


def moment(time: datetime.datetime) -> str:
    """A time as Cinder writes it: no zone, no fraction but zeros."""
    return f"{time.isoformat(timespec='seconds')}.000000"


def volume(shape: Shape, found: Volume) -> str:
    """A volume's row, at microversion 3.64."""
    created_at = moment(found.created_at)
    attachments = ", ".join(
        f'{{"id": "{found.id}", "attachment_id": '
        f'"{shape.id_of("attachment", found.number)}", '
        f'"volume_id": "{found.id}", "server_id": "{server_id}", '
        '"host_name": "compute-1.cloud.example", "device": "/dev/vda", '
        f'"attached_at": "{created_at}"}}'
        for server_id in found.server_ids
    )
    link = f"{_NOWHERE}/v3/{found.project_id}/volumes/{found.id}"
    return (
        f'{{"id": "{found.id}", "status": "{found.status}", '
        f'"size": {found.size}, "availability_zone": "nova", '
        f'"created_at": "{created_at}", "updated_at": "{created_at}", '
        f'"name": {json.dumps(found.name)}, "description": "", '
        '"volume_type": "ceph", "snapshot_id": null, "source_volid": null, '
        f'"metadata": {json.dumps(found.metadata)}, '
        f'"links": [{{"rel": "self", "href": "{link}"}}, '
        f'{{"rel": "bookmark", "href": "{link}"}}], '
        f'"user_id": "{found.project_id}", "bootable": "true", '
        '"encrypted": false, "replication_status": null, '
        '"consistencygroup_id": null, "multiattach": false, '
        f'"attachments": [{attachments}], "migration_status": null, '
        '"group_id": null, "provider_id": null, "shared_targets": false, '
        '"service_uuid": "5a8d7f5e-6b0c-4d5f-9a53-1f7f1cf5a001", '
        '"cluster_name": null, "consumes_quota": true, '
        '"volume_type_id": "8f1a2b43-97c1-4b6d-8d3c-2f27a5d3c002", '
        '"encryption_key_id": null, '
        '"os-vol-host-attr:host": "cinder-volume-1@ceph#ceph", '
        '"os-vol-mig-status-attr:migstat": null, '
        '"os-vol-mig-status-attr:name_id": null, '
        f'"os-vol-tenant-attr:tenant_id": "{found.project_id}", '
        '"volume_image_metadata": {"signature_verified": "False", '
        '"image_id": "2c8b1c4f-58d0-4a16-9d10-aa07de2a7003", '
        '"image_name": "Ubuntu 24.04", "container_format": "bare", '
        '"disk_format": "raw", "min_disk": "8", "min_ram": "0", '
        '"size": "3758096384", "os_distro": "ubuntu"}}'
    )


def server(shape: Shape, found: Server) -> str:
    """A server's row, at microversion 2.69."""
    created_at = f"{found.created_at.isoformat(timespec='seconds')}Z"
    volumes = ", ".join(
        f'{{"id": "{each}", "delete_on_termination": false}}'
        for each in found.volume_ids
    )
    link = f"http://127.0.0.1/compute/v2.1/servers/{found.id}"
    address = ".".join(
        str(found.number >> shift & 255) for shift in (16, 8, 0)
    )
    port = shape.id_of("port", found.number)
    return (
        f'{{"id": "{found.id}", "name": {json.dumps(found.name)}, '
        f'"status": "ACTIVE", "tenant_id": "{found.project_id}", '
        f'"user_id": "{found.project_id}", '
        f'"metadata": {json.dumps(found.metadata)}, '
        f'"hostId": "{port.replace("-", "")}{found.number:024}", '
        '"image": "", "flavor": {"vcpus": 4, "ram": 8192, "disk": 0, '
        '"ephemeral": 0, "swap": 0, "original_name": "m1.large", '
        '"extra_specs": {"hw:cpu_policy": "shared"}}, '
        f'"created": "{created_at}", "updated": "{created_at}", '
        f'"addresses": {{"private": [{{"version": 4, "addr": "10.{address}", '
        '"OS-EXT-IPS:type": "fixed", '
        '"OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01"}]}, '
        f'"accessIPv4": "", "accessIPv6": "", "links": [{{"rel": "self", '
        f'"href": "{link}"}}, {{"rel": "bookmark", "href": "{link}"}}], '
        '"OS-DCF:diskConfig": "AUTO", "progress": 0, '
        '"OS-EXT-AZ:availability_zone": "nova", "config_drive": "", '
        f'"key_name": "key", "OS-SRV-USG:launched_at": "{created_at[:-1]}", '
        '"OS-SRV-USG:terminated_at": null, '
        '"OS-EXT-SRV-ATTR:host": "compute-1.cloud.example", '
        f'"OS-EXT-SRV-ATTR:instance_name": "instance-{found.number:08x}", '
        '"OS-EXT-SRV-ATTR:hypervisor_hostname": "compute-1.cloud.example", '
        '"OS-EXT-SRV-ATTR:reservation_id": "r-00000001", '
        '"OS-EXT-SRV-ATTR:launch_index": 0, '
        f'"OS-EXT-SRV-ATTR:hostname": "host-{found.number}", '
        '"OS-EXT-SRV-ATTR:kernel_id": "", "OS-EXT-SRV-ATTR:ramdisk_id": "", '
        '"OS-EXT-SRV-ATTR:root_device_name": "/dev/vda", '
        '"OS-EXT-SRV-ATTR:user_data": null, "OS-EXT-STS:task_state": null, '
        '"OS-EXT-STS:vm_state": "active", "OS-EXT-STS:power_state": 1, '
        f'"os-extended-volumes:volumes_attached": [{volumes}], '
        '"locked": false, "description": null, "tags": [], '
        '"trusted_image_certificates": null, "host_status": "UP", '
        '"security_groups": [{"name": "default"}]}'
    )


def backup(found: Backup, administrator: bool) -> str:
    """A backup's row, at microversion 3.64.

    :param administrator: whether the project is shown.
    """
    created_at = moment(found.created_at)
    link = f"{_NOWHERE}/v3/{found.project_id}/backups/{found.id}"
    owner = ""
    if administrator:
        owner = f'"os-backup-project-attr:project_id": "{found.project_id}", '
    return (
        f'{{"id": "{found.id}", "name": {json.dumps(found.name)}, '
        f'"status": "{found.status}", "size": {found.size}, '
        '"object_count": 22, "container": "volumebackups", '
        f'"description": null, "fail_reason": {json.dumps(found.fail_reason)},'
        f' "links": [{{"rel": "self", "href": "{link}"}}, '
        f'{{"rel": "bookmark", "href": "{link}"}}], '
        f'"created_at": "{created_at}", '
        f'"updated_at": "{moment(found.updated_at)}", '
        f'"volume_id": "{found.volume_id}", "availability_zone": "nova", '
        f'"is_incremental": {"true" if found.incremental else "false"}, '
        '"has_dependent_backups": false, "snapshot_id": null, '
        f'"data_timestamp": "{created_at}", '
        f'{owner}"metadata": {json.dumps(found.metadata)}, '
        f'"user_id": "{found.user_id}", "encryption_key_id": null}}'
    )
