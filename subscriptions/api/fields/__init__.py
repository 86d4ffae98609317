"""Define serializer fields of the provider: labels, routing, credentials, retry plans; each applies its rules.

Belongs here: fields that more than one serializer uses, or that are long. The serializers of ``subscriptions.api`` and
``delivery.api`` use them.
"""
