"""python -m config.local.embedded discard DATA-DIRECTORY: forget the embedded servers of a checkout, wherever
they lie.
"""

import sys
from pathlib import Path

from config.local.embedded import EmbeddedError, discard

if __name__ == "__main__":
    _, command, data = sys.argv
    if command != "discard":
        sys.exit(__doc__)
    try:
        discard(Path(data).absolute(), wait=10.0)
    except EmbeddedError as error:
        sys.exit(str(error))
