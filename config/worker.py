"""Run a worker or the schedule, as `celery -A config.celery worker` and `celery -A config.celery beat` do.

    python -m config.worker deliver@%h --queue delivery --processes 0
    python -m config.worker work@%h --queue default --processes 3 --schedule
    python -m config.worker beat

`manage.py up` starts the first two: Celery's command line takes 7 MiB for its shell and its help, and as much again in
each fork that runs it.
"""

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from celery.utils.nodenames import default_nodename, host_format
from django.conf import settings

from config.celery import app
from config.local.process_guard import own_name
from config.local.stuck import begin_pulse
from config.ops import logs
from config.schedule.step import ScheduleStep

SCHEDULE = "beat"


def main() -> None:
    """Run until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m config.worker", description="Run a worker or the schedule.")
    parser.add_argument("name", help=f"node name of the worker, in which %%h is the host; or {SCHEDULE}")
    parser.add_argument("--queue", default="default")
    parser.add_argument("--processes", type=int, default=1, help="at most, as many as tasks need; 0: run tasks itself")
    parser.add_argument("--schedule", action="store_true", help="run the schedule too, beside the processes")
    options = parser.parse_args()
    begin_pulse(Path(settings.WAYPOST_DATA))
    logs.name_program(own_name(options.name.partition("@")[0]))
    if options.schedule and not options.processes:
        parser.error("argument --schedule: needs a worker with processes, since a task would stop the schedule")
    if options.name == SCHEDULE:
        app.Beat(quiet=True, pidfile=None).run()
        return
    if options.schedule:
        app.steps["consumer"].add(ScheduleStep)
    sys.exit(_run_worker(options.name, options.queue, options.processes))


def _run_worker(name: str, queue: str, processes: int) -> int:
    """Run a worker and return its exit status."""
    pool = {"autoscale": [processes, 1]} if processes else {"pool_cls": "solo"}
    worker = app.Worker(
        hostname=host_format(default_nodename(name)),
        queues=[queue],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
        **pool,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    main()
