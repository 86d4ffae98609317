"""Run the web server; see ``config.web.server``."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from config.web.server import main

if __name__ == "__main__":
    main()
