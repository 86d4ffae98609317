"""Hold the statements about the load: reports of processes, the backlog, and the lanes that are behind.

Each is bounded, whatever the size of the tables, because pages, probes and metrics run them again and again.
"""
