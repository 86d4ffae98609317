"""Read and write what travels between companies: CloudEvents, signatures, event patterns, transformers, addresses, ids.

Pure functions and values: no Django, clock, network or settings; callers pass those in. Every room may call in.
"""
