"""The demo: the platform is started, used over HTTP as a stranger would use it, and what it did is counted.

    story.py      the whole of it, step by step
    given.py      the events: a file of yours, or an order's life (events.ndjson)
    launch.py     the platform as a child process, on servers and in a directory of its own
    stranger.py   the platform's REST API, from outside
    listeners.py  two scripted servers that receive: one stumbles, one is gone until it is repaired
    customer.py   the tenant, its endpoints, and what can be seen of them from outside
    counts.py     what was counted, and what it must be
    screen.py     what is shown

Nothing here imports the platform: what the demo proves, it proves from the other side of a socket.
"""
