"""Hold the attacks, by what they load. Importing this package registers all of them."""

from tests.isolation.attack import ATTACKS
from tests.isolation.attacks import anonymous, connections, endpoints, management, names, publishing, reading, sources

MODULES = (publishing, sources, endpoints, names, anonymous, connections, reading, management)

__all__ = ["ATTACKS", "MODULES"]
