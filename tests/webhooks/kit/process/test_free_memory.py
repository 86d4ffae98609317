"""Test that pages of files are returned, by a process of its own, which goes on."""

import subprocess
import sys

CODE = """
from pathlib import Path
import email.message, json, ssl  # libraries in C among them
from webhooks.kit.process.free_memory import return_pages_of_files

def file_pages():
    line = next(it for it in Path("/proc/self/status").read_text().splitlines() if it.startswith("RssFile:"))
    return int(line.split()[1])

before = file_pages()
return_pages_of_files()
print(before, file_pages())
print(json.dumps({"verifies": ssl.create_default_context().check_hostname}))
"""


def test_process_goes_on_with_fewer_pages_of_files() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True)
    counted, said = done.stdout.splitlines()
    before, after = map(int, counted.split())
    assert after < before / 2
    assert said == '{"verifies": true}'
