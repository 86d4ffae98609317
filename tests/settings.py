"""The suite runs on the real settings and on real, embedded servers, in a data directory of its own.

With DATABASE_URL or REDIS_URL set, it uses those servers instead. Processes that a test starts find everything
through the environment.
"""

import atexit
import os
import tempfile
from pathlib import Path

from config import embedded

if "WAYPOST_TESTS_DATA" not in os.environ:
    _data = Path(tempfile.mkdtemp(prefix="waypost-tests-"))
    _data.chmod(0o711)  # the servers' user passes through, where we are root
    os.environ["WAYPOST_TESTS_DATA"] = os.environ["WAYPOST_DATA"] = str(_data)
    atexit.register(embedded.discard, _data)
os.environ["WAYPOST_ENV"] = "development"

from config.settings import *  # noqa: F403 (the environment comes first)
