"""Print the whole table: `python -m tests.interop`, or only rows with these words: `python -m tests.interop nginx`."""

import sys

from tests.interop.matrix import print_table
from tests.interop.receivers.rows import RECEIVERS


def main(words: list[str]) -> int:
    """Run the rows whose text has all these words; return the exit status."""
    rows = [row for row in [*RECEIVERS] if all(word.lower() in f"{row.part} {row.id}".lower() for word in words)]
    return 1 if print_table(rows) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
