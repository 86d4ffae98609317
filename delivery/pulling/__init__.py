"""Hand the deliveries of pulled endpoints out to consumers, and settle what they report (docs/why/pulled-endpoints.md).

Called by ``delivery.api.pulling``, and ``lapsed`` by the recovery task. No drain leases the lanes of these endpoints.
"""
