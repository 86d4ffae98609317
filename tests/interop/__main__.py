"""Print the tables: `python -m tests.interop`, or what has these words: `python -m tests.interop nginx`."""

import sys

from tests.interop.matrix import print_table
from tests.interop.receivers.rows import RECEIVERS
from tests.interop.tables import PARTS, print_part


def main(words: list[str]) -> int:
    """Run the rows and the tables whose text has all these words; return the exit status."""
    rows = [row for row in [*RECEIVERS] if has_all(words, f"{row.part} {row.id}")]
    parts = [part for part in PARTS if has_all(words, part.title)]
    failed = (print_table(rows) if rows else 0) + sum(map(print_part, parts))
    return 1 if failed or not (rows or parts) else 0


def has_all(words: list[str], text: str) -> bool:
    return all(word.lower() in text.lower() for word in words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
