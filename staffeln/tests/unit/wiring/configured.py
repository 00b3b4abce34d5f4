# SPDX-License-Identifier: Apache-2.0
"""A test that writes a configuration file."""

from oslo_config import cfg

from staffeln import conf
from staffeln.tests import base


class ConfiguredTestCase(base.TestCase):
    """Its state is kept below its empty home."""

    def read(self, text: str = "") -> cfg.ConfigOpts:
        path = self.home / "staffeln.conf"
        path.write_text(f"[DEFAULT]\nstate_path = {self.home}\n{text}")
        return conf.load(["--config-file", str(path)], prog="test")
