"""celery -A benchmarks.usual.celery_app worker"""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.usual.settings")

app = Celery("usual")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
