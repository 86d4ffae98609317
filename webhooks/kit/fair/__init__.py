"""Share limited resources of a process between tenants: places, threads, bytes.

Belongs here: mechanisms by which one tenant, source or address can use much of an idle resource, and never all of it.
All three apps and the web server may call in.

    shares            counts how much each key holds, by one rule
    threads           runs functions on threads, in turns among the keys that wait
    shared_queries    runs queries of coroutines on these threads, equal ones once
    futures           awaits in an event loop what threads do
    worker_places     shares the processes of a worker between kinds of tasks
"""
