"""Care for one process: what belongs to it and not to its forks, its open files, the memory that it has freed.

Any room may call in; these modules know nothing of webhooks.
"""
