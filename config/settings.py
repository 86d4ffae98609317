"""Define all settings: those of the operator first, on one screen, each with its default and unit.

They are read from the environment. In development none has to be set; with WAYPOST_ENV=production the secrets and the
public URL must be set. Described in docs/reference/settings.md.
"""

from pathlib import Path
from urllib.parse import urlsplit

from django.urls import reverse_lazy

from config import env, machine, server_urls
from config.api import openapi_settings
from config.local import embedded
from config.ops import logs, storage
from subscriptions.api.conventions import project

BASE_DIR = Path(__file__).resolve().parent.parent
SIZES = machine.own_sizes()  # by processors and memory; docs/scale.md has the table

# --- settings of the operator --------------------------------------------------------------------------------

WAYPOST_ENV = env.choice("WAYPOST_ENV", ("development", "production"), "development")
IN_PRODUCTION = WAYPOST_ENV == "production"
WAYPOST_DATA = env.create_directory(Path(env.text("WAYPOST_DATA", str(embedded.DEFAULT_DATA))).absolute())
_KEEP = None if IN_PRODUCTION else WAYPOST_DATA / "secrets"  # where secrets are generated if none is set

SECRET_KEY = env.secret("SECRET_KEY", keep_in=_KEEP and _KEEP / "secret_key", make=env.random_secret)
WAYPOST_ENCRYPTION_KEYS = env.fernet_keys("WAYPOST_ENCRYPTION_KEYS", keep_in=_KEEP and _KEEP / "encryption_keys")
PUBLIC_URL = env.url("PUBLIC_URL", ("http", "https"), None if IN_PRODUCTION else "http://127.0.0.1:8000").rstrip("/")
_LOCAL = [] if IN_PRODUCTION else ["localhost", "127.0.0.1", "[::1]"]
WAYPOST_PROBLEM_TYPES = env.url("WAYPOST_PROBLEM_TYPES", ("http", "https"), f"{PUBLIC_URL}/problems/").rstrip("/") + "/"
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", [urlsplit(PUBLIC_URL).hostname or "", *_LOCAL])
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS", [PUBLIC_URL])
WAYPOST_CORS_ORIGINS = env.origins("WAYPOST_CORS_ORIGINS")  # whose pages may call the API
SECURE_SSL_REDIRECT = env.flag("WAYPOST_HTTPS_ONLY", IN_PRODUCTION)
SECURE_HSTS_SECONDS = env.integer("WAYPOST_HSTS_SECONDS", 31_536_000 if IN_PRODUCTION else 0)  # one year
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = env.flag("WAYPOST_HSTS_SUBDOMAINS", IN_PRODUCTION)

WAYPOST_ALLOW_HTTP = env.flag("WAYPOST_ALLOW_HTTP", False)  # endpoints without TLS
WAYPOST_ALLOW_NETWORKS = env.networks("WAYPOST_ALLOW_NETWORKS")  # otherwise rejected: private, loopback, ...
WAYPOST_TRUSTED_PROXIES = env.networks("WAYPOST_TRUSTED_PROXIES")  # whose X-Forwarded-* headers are used
WAYPOST_DROPS_UNDERSCORES = env.flag("WAYPOST_DROPS_UNDERSCORES", False)  # another web server than ours drops them
WAYPOST_NAME_SERVERS = env.name_servers("WAYPOST_NAME_SERVERS")  # otherwise those of resolv.conf
WAYPOST_ALLOW_SELF = env.flag("WAYPOST_ALLOW_SELF", not IN_PRODUCTION)  # endpoints at PUBLIC_URL
WAYPOST_ENDPOINTS_PER_ORIGIN = env.integer("WAYPOST_ENDPOINTS_PER_ORIGIN", 100)  # of a tenant; 0: no limit
WAYPOST_ENDPOINT_VERIFICATION = env.choice(
    "WAYPOST_ENDPOINT_VERIFICATION", ("off", "required"), "off"
)  # before anything is sent to an endpoint
WAYPOST_CREATE_TENANTS = env.flag("WAYPOST_CREATE_TENANTS", False)  # for a uid that a platform key publishes to
WAYPOST_UNKNOWN_EVENT_TYPES = env.choice(
    "WAYPOST_UNKNOWN_EVENT_TYPES", ("accept", "warn", "refuse"), "accept"
)  # that are published and not in the catalogue
WAYPOST_DISABLE_AFTER_DAYS = env.integer("WAYPOST_DISABLE_AFTER_DAYS", 5, maximum=365)  # of failures only; 0: never
WAYPOST_DISABLE_AFTER_FAILURES = env.integer("WAYPOST_DISABLE_AFTER_FAILURES", 20, minimum=1)  # failures, too
WAYPOST_MAX_EVENT_BYTES = env.integer("WAYPOST_MAX_EVENT_BYTES", 1024**2, minimum=1024)  # one event: 1 MiB
WAYPOST_MAX_REQUEST_BYTES = env.integer("WAYPOST_MAX_REQUEST_BYTES", 16 * 1024**2, minimum=1024)  # API: 16 MiB
WAYPOST_FAN_OUT_STEPS = env.integer("WAYPOST_FAN_OUT_STEPS", 100_000)  # of one event in a request: about 10 ms of CPU
WAYPOST_FAN_OUT_STEPS_PER_SECOND = env.integer("WAYPOST_FAN_OUT_STEPS_PER_SECOND", 1_000_000, minimum=1)  # of a tenant
WAYPOST_FAN_OUT_DELIVERIES = env.integer("WAYPOST_FAN_OUT_DELIVERIES", 1_000)  # of one event in a request
WAYPOST_FAN_OUT_BYTES = env.integer("WAYPOST_FAN_OUT_BYTES", 2 * 1024**2)  # rendered for one event: 2 MiB
WAYPOST_FAN_OUT_WORKERS = env.integer("WAYPOST_FAN_OUT_WORKERS", 1, minimum=1, maximum=256)  # at once, all machines
WAYPOST_LOOKUPS_PER_TENANT = env.integer("WAYPOST_LOOKUPS_PER_TENANT", 16, minimum=1)  # in flight, per process
WAYPOST_CALLS_PER_TENANT = env.integer("WAYPOST_CALLS_PER_TENANT", 16, minimum=1)  # single calls, per process
WAYPOST_TESTS_PER_TENANT = env.integer("WAYPOST_TESTS_PER_TENANT", 3, minimum=1)  # test deliveries, per process
WAYPOST_ALERT_RULES_PER_TENANT = env.integer("WAYPOST_ALERT_RULES_PER_TENANT", 50)
WAYPOST_MAIL_FROM = env.text("WAYPOST_MAIL_FROM", "")  # sender of alerts by mail; empty: none is sent
_MAIL = server_urls.mail("WAYPOST_MAIL_URL")  # the mail server
WAYPOST_APPS = env.app_names("WAYPOST_APPS")  # Django apps of yours, with handlers in webhook_handlers
WAYPOST_HANDLERS = env.dotted_paths("WAYPOST_HANDLERS")  # handlers that a source may name: name=dotted.path,...
WAYPOST_HANDLER_WAITS = env.integer("WAYPOST_HANDLER_WAITS", 50, minimum=0)  # of a source and web process
WAYPOST_STORAGE_URL = env.url("WAYPOST_STORAGE_URL", ("file", "s3"), (WAYPOST_DATA / "claims").as_uri())
WAYPOST_ARCHIVE_URL = env.optional_url("WAYPOST_ARCHIVE_URL", ("file", "s3"))  # of old events; empty: deleted only

WAYPOST_WEB_WORKERS = env.integer("WAYPOST_WEB_WORKERS", SIZES.web_workers, minimum=1, maximum=256)  # processes
WAYPOST_WEB_THREADS = env.integer("WAYPOST_WEB_THREADS", SIZES.web_threads, minimum=1, maximum=1024)  # of each
WAYPOST_EXPENSIVE_REQUESTS = env.integer(
    "WAYPOST_EXPENSIVE_REQUESTS", 4, minimum=2, maximum=1024
)  # previews, exports, ... at a time in a web process; a tenant has half of what is free
WAYPOST_STATEMENT_SECONDS = env.integer("WAYPOST_STATEMENT_SECONDS", 15, minimum=1, maximum=3600)  # of a request
WAYPOST_DELIVERY_WORKERS = env.integer(
    "WAYPOST_DELIVERY_WORKERS", SIZES.delivery_workers, minimum=1, maximum=256
)  # processes
WAYPOST_DEFAULT_WORKERS = env.integer(
    "WAYPOST_DEFAULT_WORKERS", SIZES.default_workers, minimum=1, maximum=256
)  # processes
WAYPOST_CATALOGUE = env.choice("WAYPOST_CATALOGUE", ("public", "key"), "public")  # who may browse event types
WAYPOST_OIDC_ISSUER = env.text("WAYPOST_OIDC_ISSUER", "").rstrip("/")  # identity provider of the admin; empty: none
WAYPOST_OIDC_ROLES_CLAIM = env.text("WAYPOST_OIDC_ROLES_CLAIM", "groups")  # lists the user's roles
OIDC_RP_CLIENT_ID = env.text("WAYPOST_OIDC_CLIENT_ID", "")
OIDC_RP_CLIENT_SECRET = env.text("WAYPOST_OIDC_CLIENT_SECRET", "")
WAYPOST_AUDIT_DAYS = env.integer("WAYPOST_AUDIT_DAYS", 400, maximum=36_500)  # that entries are kept; 0: for good
WAYPOST_AUDIT_EACH_LOOK = env.flag("WAYPOST_AUDIT_EACH_LOOK", False)  # of tenants' own keys too, at payloads
WAYPOST_METRICS = env.flag("WAYPOST_METRICS", True)  # for Prometheus, at /metrics
WAYPOST_METRICS_BY = env.choice("WAYPOST_METRICS_BY", ("none", "tenant", "endpoint"), "none")  # labels of metrics
WAYPOST_PORTAL_FRAME_ANCESTORS = env.origins("WAYPOST_PORTAL_FRAME_ANCESTORS")  # whose pages may embed the portal
WAYPOST_PORTAL_KEYS = env.signing_keys("WAYPOST_PORTAL_KEYS")  # with which your application signs links to the portal
WAYPOST_LOG_LEVEL = env.choice("WAYPOST_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO")
WAYPOST_LOG_FORMAT = env.choice("WAYPOST_LOG_FORMAT", ("text", "json"), "json" if IN_PRODUCTION else "text")
WAYPOST_ACCESS_LOG = env.ratio("WAYPOST_ACCESS_LOG", 1.0 if WAYPOST_LOG_FORMAT == "json" else 0.0)  # of all requests
WAYPOST_JOB_LOG = env.flag("WAYPOST_JOB_LOG", WAYPOST_LOG_FORMAT == "json")  # a line for each job of a worker
WAYPOST_TRACES = env.ratio("WAYPOST_TRACES", 0.0)  # part of the traces that begin here; 0: no spans
WAYPOST_TRACE_URL = env.text("WAYPOST_TRACE_URL", "")  # of a trace, with {trace_id}
WAYPOST_METRICS_PORT = env.integer("WAYPOST_METRICS_PORT", 0, maximum=65_535)  # of probes and metrics; 0: the public
WAYPOST_METRICS_HOST = env.text("WAYPOST_METRICS_HOST", "127.0.0.1")

WAYPOST_EMBEDDED_DATABASE = not env.text("DATABASE_URL", "")
WAYPOST_EMBEDDED_BROKER = not env.text("REDIS_URL", "")

# --- the database: PostgreSQL, where all state is stored ------------------------------------------------------

_DATABASE = server_urls.database(
    "DATABASE_URL",
    embedded.database_url(WAYPOST_DATA) if WAYPOST_EMBEDDED_DATABASE else None,
)
_DIRECT = server_urls.direct_database("WAYPOST_DIRECT_DATABASE_URL", behind="DATABASE_URL")
WAYPOST_POOLED_DATABASE = _DATABASE if _DIRECT else None  # of requests (config.postgresql.pooled_requests)
DATABASES = {
    "default": {
        "ENGINE": "config.postgresql" if WAYPOST_EMBEDDED_DATABASE else "django.db.backends.postgresql",
        "WAYPOST_DATA": str(WAYPOST_DATA),
        **(_DIRECT or _DATABASE),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }
}
# Prepare statements (see webhooks/kit/sql.py), on all connections but those through the pooler.
WAYPOST_PREPARE_STATEMENTS = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"  # only Django's own tables; ours have UUIDv7 keys

# --- the broker: notifications that may be lost ----------------------------------------------------------------

CELERY_BROKER_URL = env.url(
    "REDIS_URL",
    ("redis", "rediss", "redis+socket"),
    embedded.broker_url(WAYPOST_DATA) if WAYPOST_EMBEDDED_BROKER else None,
)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker connects again whenever the broker is back
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "socket_connect_timeout": 1.0,  # seconds
    "socket_timeout": 5.0,
    "socket_keepalive": True,
    "visibility_timeout": 3600,
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"delivery.deliver_due": {"queue": "delivery"}}
CELERY_TASK_ACKS_LATE = False  # pending work is in the database, so a lost message needs no redelivery
CELERY_TASK_PUBLISH_RETRY = (
    False  # publishing must not wait for the broker; the schedule sends the same within two seconds
)
# Cancels tasks that are acknowledged late: there are none. Without it Celery prints eight lines when the broker goes.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = CELERY_WORKER_REDIRECT_STDOUTS = False  # LOGGING below applies to workers too
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_CONSUMER = "config.ops.worker_heartbeat:WatchedConsumer"
CELERY_WORKER_AUTOSCALER = "config.ops.pool_growth:PatientAutoscaler"
CELERY_BEAT_SCHEDULER = "config.schedule.beat:WorkScheduler"  # sends the tasks that have work; all once at the start
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"

EMAIL_HOST, EMAIL_PORT, EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.host, _MAIL.port, _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL, EMAIL_TIMEOUT = _MAIL.starts_tls, _MAIL.is_tls, 10  # seconds

# --- the application -------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "config",  # first: it creates the Celery app
    "unfold",  # before the admin, whose templates it replaces
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_otp",
    "django_otp.plugins.otp_totp",
    "django_otp.plugins.otp_static",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "webhooks",
    "subscriptions",
    "delivery",
    *WAYPOST_APPS,
]
MIDDLEWARE = [
    "config.web.request_ids.RequestIds",  # outermost: every response has an id
    "config.web.pages.content_policy.ContentPolicy",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.web.middleware.Sessions",
    "config.web.middleware.Common",
    "django.middleware.csrf.CsrfViewMiddleware",
    "config.web.middleware.Authentication",
    "config.web.middleware.SecondFactor",
    "config.web.middleware.Messages",
    "config.web.pages.error_pages.MethodPages",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    *project.MIDDLEWARE,
]
ROOT_URLCONF = "config.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.admin.version.version",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "config.formats"
USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "/static/"
WHITENOISE_USE_FINDERS = True  # served from the packages: no collectstatic is needed
WHITENOISE_MAX_AGE = 3600  # seconds
_CLAIMS = storage.backend("WAYPOST_STORAGE_URL", WAYPOST_STORAGE_URL)
STORAGES = {
    "default": _CLAIMS,
    "claims": _CLAIMS,
    **({"archive": storage.backend("WAYPOST_ARCHIVE_URL", WAYPOST_ARCHIVE_URL)} if WAYPOST_ARCHIVE_URL else {}),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
DATA_UPLOAD_MAX_MEMORY_SIZE = WAYPOST_MAX_REQUEST_BYTES
LOGGING = logs.config(WAYPOST_LOG_LEVEL, as_json=WAYPOST_LOG_FORMAT == "json")

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = PUBLIC_URL.startswith("https:") or IN_PRODUCTION
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = "waypost_session", "waypost_csrf"
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics|status/)$"]  # requested from the internal network, without TLS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

REST_FRAMEWORK = {
    **project.REST_FRAMEWORK,
    "DEFAULT_SCHEMA_CLASS": "config.api.openapi.Described",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = openapi_settings.SPECTACULAR_SETTINGS

OIDC_RP_SIGN_ALGO, OIDC_RP_SCOPES = "RS256", "openid email profile"
OIDC_USE_PKCE, OIDC_TIMEOUT = True, 10  # seconds
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    *(["config.access.identity_provider.ProviderBackend"] if WAYPOST_OIDC_ISSUER else []),
]
OTP_TOTP_ISSUER = "Waypost"
OTP_ADMIN_HIDE_SENSITIVE_DATA = True
LOGIN_URL, LOGIN_REDIRECT_URL = "admin:login", "admin:index"
UNFOLD = {
    "SITE_TITLE": "Waypost",
    "SITE_HEADER": "Waypost",
    "SITE_SYMBOL": "signpost",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "config.admin.theme.favicon"}],
    "LOGIN": {"form": "config.access.sign_in_form.SignInForm"},
    "ACCOUNT": {"navigation": [{"title": "Second factor", "link": reverse_lazy("second-factor")}]},
    "GLOBAL_CALLBACK": "config.admin.theme.context",
    "STYLES": ["config.admin.theme.stylesheet", "config.admin.theme.forms_and_lists"],
    "SCRIPTS": ["config.admin.theme.find_script", "config.admin.theme.keys_script"],
    "DASHBOARD_CALLBACK": "config.admin.home.home",
    "SIDEBAR": {"navigation": "config.admin.navigation.navigation"},
}
