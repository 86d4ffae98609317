"""Settings of the usual project, on the same servers as the platform."""

import os
from urllib.parse import parse_qs, urlsplit

_database = urlsplit(os.environ["USUAL_DATABASE"])

SECRET_KEY = "used for nothing"
USE_TZ = True
INSTALLED_APPS = ["benchmarks.usual"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "waypost",
        "USER": _database.username,
        "HOST": parse_qs(_database.query)["host"][0],
        "CONN_MAX_AGE": None,
    }
}
ROOT_URLCONF = "benchmarks.usual.web"
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]  # sets Content-Length
ALLOWED_HOSTS = ["127.0.0.1"]
REST_FRAMEWORK = {"UNAUTHENTICATED_USER": None}

CELERY_BROKER_URL = os.environ["USUAL_BROKER"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 16
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
