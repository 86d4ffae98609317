"""Name what a program of the platform does. Imported before Django's models."""

WEB, WORKER, DRAIN, BEAT, READER = "web", "worker", "drain", "beat", "reader"
ROLES = [
    (WEB, "Web server"),
    (WORKER, "Worker"),
    (DRAIN, "Delivery worker"),
    (BEAT, "Schedule"),
    (READER, "Reader of sources"),
]
