"""Publish events and deliver them: fan-out, the drain, transports, dead letters, replay.

From publish to settle in eight files, in order:

1. ``publishing/publisher.py``    the steps of ``publish``; ``prepare.py`` completes and checks an event
2. ``publishing/store.py``        store events and deliveries under one version of the route table
3. ``publishing/fan_out.py``      create a delivery for each matching route
4. ``notify.py``                  mark the lanes due and notify the drains, after the commit
5. ``sending/drain.py``           the loop: lease, claim, send, settle, release
6. ``transports/http/sender.py``  send; ``compose.py`` builds the request
7. ``sending/verdict.py``         decide what an outcome means
8. ``sql/settle.py``              write deliveries, attempts and dead letters
"""
