"""A Django project that sends and receives webhooks the usual way: Celery tasks, requests.post, rows by the ORM."""
