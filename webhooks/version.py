"""Name the version of this software: the one of ``pyproject.toml``, as a test says."""

VERSION = "0.1.0"
USER_AGENT = f"Waypost/{VERSION}"  # of what is sent to endpoints, token servers and sources
