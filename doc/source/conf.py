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
# Wide tables of words are read from the left.
html_static_path = ["_static"]
html_css_files = ["tables.css"]
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

# "tox -e man" makes them below doc/build/man; a wheel built after it has them.
_PAGES = {
    "staffeln": ("look at what Staffeln has done, does, and would do", 1),
    "staffeln-conductor": ("make scheduled backups of OpenStack volumes", 8),
    "staffeln-api": ("tell Cinder which backups may be deleted", 8),
    "staffeln-db-manage": ("make and upgrade Staffeln's database", 8),
    "staffeln-status": ("say whether this release may be started", 8),
}
man_pages = [
    (f"cli/{name}", name, about, "Staffeln developers", section)
    for name, (about, section) in _PAGES.items()
]
man_make_section_directory = True
