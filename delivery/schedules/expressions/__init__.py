"""Read schedule expressions and compute their occurrences. Pure: no clock, database or settings."""
