"""Run a command of the platform: `python manage.py ...` in a checkout, `waypost-server ...` where it is installed."""

import os
import sys
from importlib import import_module

from config.env import Misconfigured
from config.local import launch
from config.local.embedded import EmbeddedError
from webhooks.version import VERSION

RUN = "config.management.run"  # loaded when `up` has started the servers, which start meanwhile


def main() -> None:
    """Run one command. An error of the environment, and not of the code, is one line without a traceback."""
    if sys.argv[1:] in (["version"], ["--version"]):  # Django would print its own
        sys.stdout.write(f"waypost {VERSION}\n")
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        launch.begin(sys.argv[1:])
        import_module(RUN).run(sys.argv)
    except (Misconfigured, EmbeddedError, launch.CannotRun) as error:
        sys.exit(f"waypost: {str(error).splitlines()[0]}")


if __name__ == "__main__":
    main()
