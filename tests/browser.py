"""Find a browser on this machine; tests that need one are collected where there is one."""

import shutil

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
