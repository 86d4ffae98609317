"""Google Cloud Pub/Sub: its REST API over HTTPS through the guard.

service_account.py   access tokens for a service account
pubsub.py            the kind pubsub
"""
