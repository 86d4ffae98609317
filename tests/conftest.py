"""What holds for every test: no time limits, not even Hypothesis's own, for a busy machine is not a bug."""

from hypothesis import settings

settings.register_profile("waypost", deadline=None)
settings.load_profile("waypost")
