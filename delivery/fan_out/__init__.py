"""Create the deliveries of an event: one for each endpoint whose subscriptions match, with the bytes that are sent.

Publishing creates them at once within a budget (``budget``); what would cost more is deferred to a worker, which works
in slices (``deferred``). Replays of past events use the same slices. Called by publishing, replaying and the API.
"""
