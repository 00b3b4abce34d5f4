# SPDX-License-Identifier: Apache-2.0
"""Makes Neutron's tables: ``python -m cloud_services.neutron_tables URL``.

Neutron's migrations alter constraints, which SQLite cannot; its models make
the same tables.
"""

import sys

import sqlalchemy
from neutron.db.migration.models import head


def main() -> None:
    """Make every table of Neutron's models in an empty database."""
    engine = sqlalchemy.create_engine(sys.argv[1])
    head.get_metadata().create_all(engine)


if __name__ == "__main__":
    main()
