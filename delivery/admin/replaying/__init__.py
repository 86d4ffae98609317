"""Ask for replays below the lists of events and dead letters: count, confirm, create.

Belongs here: the pages that create replays. Called by the lists.
"""
