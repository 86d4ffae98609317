"""Bound what one event may cost: the size of a body, and the steps of a budget that writing it takes."""

COPIED_PER_STEP = 100  # bytes of a body that are copied
ESCAPED_PER_STEP = 25  # bytes of strings that are written
WRITTEN_PER_STEP = 5  # bytes of objects and lists that are written or parsed as JSON
TEXT_PER_STEP = 1  # bytes of objects and lists that are written as text
MAX_RENDERED = 8 * 1024 * 1024  # bytes; a short template can repeat a long value thousands of times
