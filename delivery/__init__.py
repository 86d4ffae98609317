"""Publish events and deliver them: fan-out, the drain, transports, dead letters, replay.

From publish to settle in eight files, in this order:

1. ``api/publishing/events.py``   read the request, publish, respond
2. ``publishing/plan_limits.py``  apply the plan's publish rate and monthly quota, then group commit
3. ``publishing/publisher.py``    prepare, store, notify the drains after the commit
4. ``publishing/store.py``        create their deliveries (``fan_out/deliveries.py``), or leave that to a worker
                                  (``fan_out/deferred.py``)
5. ``sql/publish.py``             insert events and deliveries
6. ``sending/drain.py``           lease lanes, claim due deliveries, send, settle
7. ``transports/http/sender.py``  send many HTTP requests at once
8. ``sending/settlement.py``      turn each outcome into a settlement: delivered, retry, or dead letter
"""
