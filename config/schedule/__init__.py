"""Send the periodic tasks that have work: which (`plan`), found how (`work_query`), sent when (`ticker`), and by whom.

One worker runs the schedule beside its tasks (`step`), so that it takes no process of its own; `celery beat` runs the
same one (`beat`). Other rooms use `plan.periodic_tasks` only.
"""
