"""List the periodic tasks of the receiver."""

from webhooks.audit.key_looks import record_ended_hours
from webhooks.audit.retention import delete_expired_entries
from webhooks.encryption.check import with_keys
from webhooks.kit.periodic_task import periodic_task
from webhooks.processing.process import process_due
from webhooks.processing.replays import HAS_RUNNING, run_slices
from webhooks.processing.sweep import sweep
from webhooks.processing.turns.claims import HAS_PENDING
from webhooks.readers.leases import HAS_DUE, bring_reads_forward
from webhooks.readers.slices import read_sources
from webhooks.schedule import BEAT_SCHEDULE


def _sweep() -> None:
    bring_reads_forward()
    sweep()


PERIODIC_TASKS = [
    periodic_task("webhooks.process_due", with_keys(process_due), BEAT_SCHEDULE, has_work=HAS_PENDING),
    periodic_task("webhooks.read_sources", with_keys(read_sources), BEAT_SCHEDULE, has_work=HAS_DUE),
    periodic_task("webhooks.replay_receipts", run_slices, BEAT_SCHEDULE, has_work=HAS_RUNNING, is_operation=True),
    periodic_task("webhooks.sweep", _sweep, BEAT_SCHEDULE, is_operation=True),
    periodic_task("webhooks.delete_expired_audit", delete_expired_entries, BEAT_SCHEDULE),
    periodic_task("webhooks.record_key_looks", record_ended_hours, BEAT_SCHEDULE),
]
