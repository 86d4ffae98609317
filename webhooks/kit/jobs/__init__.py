"""Run jobs that are rows, such as replays and broadcasts, in slices at a rate, with turns among tenants.

Belongs here: what such jobs have in common, whatever they do. All three apps may call in.

    job_row        the columns of a job
    pace           how much of a job may be done now
    sliced_jobs    one slice in a transaction, until the job is finished or cancelled
    turns          whose turn is next
    duration       how long a job will take, in words
"""
