"""List all faults by name; importing this package fills the table."""

from tests.faults.injectors import environment, processes, servers
from tests.faults.injectors.fault import FAULTS, Fault, FaultTarget

__all__ = ["FAULTS", "Fault", "FaultTarget", "environment", "processes", "servers"]
