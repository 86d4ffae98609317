"""Start the embedded PostgreSQL of a data directory without fsync; return when it is ready.

    python -m tests.postgresql_without_fsync DATA-DIRECTORY

The keeper is that of the product, with which it is started again with fsync if it dies.
"""

import sys

from config.local.embedded import POSTGRES, keeper, postgres

WITHOUT_FSYNC = {"fsync": "off", "full_page_writes": "off"}

if __name__ == "__main__":
    postgres.SETTINGS.update(WITHOUT_FSYNC)
    keeper.main(POSTGRES.name, sys.argv[1])
