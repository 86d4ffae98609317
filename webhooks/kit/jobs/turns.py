"""Continue all running jobs of a kind, in turns among their tenants."""

import time
from itertools import zip_longest
from typing import Any
from uuid import UUID

from webhooks.kit.jobs.sliced_jobs import RUNNING, JobKind, run_turn

TURN = 1.0  # seconds one job runs before the next has its turn


class Turns:
    """Remember whose turn is next, across the runs of a process. The rows of the kind have a ``tenant_id``."""

    def __init__(self, kind: JobKind[Any]) -> None:
        self._kind = kind
        self.after = ""  # the tenant whose job ran last

    def run_round(self, until: float) -> bool:
        """Give each running job a turn, at least one; return whether ``until`` is over, by the monotonic clock."""
        for tenant, key in self.next_round():
            self.after = tenant
            run_turn(self._kind, key, min(until, time.monotonic() + TURN))
            if time.monotonic() > until:
                return True
        return False

    def next_round(self) -> list[tuple[str, UUID]]:
        """Return the running jobs, each with its tenant: in turns among tenants, from the next tenant on."""
        by_tenant: dict[str, list[tuple[str, UUID]]] = {}
        rows = self._kind.model.objects.filter(state=RUNNING).order_by("id")
        for key, tenant_id in rows.values_list("id", "tenant_id"):
            by_tenant.setdefault(str(tenant_id), []).append((str(tenant_id), key))
        tenants = sorted(by_tenant, key=lambda tenant: (tenant <= self.after, tenant))
        return [it for turns in zip_longest(*map(by_tenant.__getitem__, tenants)) for it in turns if it is not None]
