"""Keep values in the memory of a process, within a bounded number or size.

Belongs here: caches for any kind of value. They differ in what is dropped, and when. All three apps and the platform
may call in.

    timed_cache        values that are loaded again after a second, those in use ahead of that, in the background
    single_flight      costly values, which one thread computes for all that want them
    refresher          the background thread that loads values again
    partitioned_cache  values of many tenants: the tenant with the most values loses its oldest one
    shared_cache       values of many sizes, of many tenants: each has a limit; what is not read is dropped first
    bounded_cache      values that are never loaded again: the least recently stored one is dropped
    short_text_cache   results for short texts of clients; long ones are computed each time
"""
