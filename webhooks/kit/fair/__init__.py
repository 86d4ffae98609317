"""Share limited resources of a process between tenants: places, threads, bytes.

Belongs here: mechanisms by which one tenant, source or address can use much of an idle resource, and never all of it.
All three apps and the web server may call in.

    shares             counts who holds how much, by one rule
    threads            runs functions on threads, in turns among those who wait
    partitioned_cache  keeps values of many tenants, of which none displaces another's
    futures            awaits in an event loop what threads do
"""
