# SPDX-License-Identifier: Apache-2.0
"""Sphinx settings."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "doc" / "ext")]

import staffeln.version  # noqa: E402 (found by the path above)

project = "Staffeln"
copyright = "Staffeln developers"
extensions = [
    "openapi_reference",
    "openstackdocstheme",
    "oslo_config.sphinxconfiggen",
    "oslo_config.sphinxext",
    "reno.sphinxext",
    "task_states",
]
version = release = staffeln.version.version_string()

# The pages tell nobody who reads them: no tracking, no search elsewhere.
templates_path = ["_templates"]
html_theme = "openstackdocs"
html_theme_options = {
    "analytics_tracking_code": "",
    "show_other_versions": False,
}
openstackdocs_auto_name = False
openstackdocs_auto_version = False
openstackdocs_repo_name = "staffeln"
openstackdocs_use_storyboard = False
openstackdocs_bug_project = "staffeln"
pygments_style = "native"

config_generator_config_file = [
    (str(ROOT / "etc/oslo-config-generator/staffeln.conf"), "_static/staffeln")
]
