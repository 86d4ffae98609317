"""Show dead letters, and ask before they are discarded or acknowledged. Django's admin calls in."""
