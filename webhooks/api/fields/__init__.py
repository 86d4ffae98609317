"""Define the serializer fields of the receiver: each checks one field of a source and names what is wrong.

Used by the serializers of ``webhooks.api``.
"""
