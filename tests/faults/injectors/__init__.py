"""All faults there are, by name: importing this package is what fills the table."""

from tests.faults.injectors import processes, servers, surroundings
from tests.faults.injectors.fault import FAULTS, Fault, Victim

__all__ = ["FAULTS", "Fault", "Victim", "processes", "servers", "surroundings"]
