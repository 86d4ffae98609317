"""Show operators what concerns the whole platform. Django's admin calls in; importing a module registers its page."""

from config.admin import capacity as capacity
