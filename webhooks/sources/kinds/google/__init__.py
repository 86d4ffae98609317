"""Google Cloud Pub/Sub: its REST API over HTTPS through the guard.

access_tokens.py     access tokens for a service account
pubsub.py            the kind pubsub
"""
