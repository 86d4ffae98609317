"""Turn GitHub's example payloads into a file of events for the demo: one line each, ``github.<name>``.

    npm pack @octokit/webhooks-examples && tar xzf octokit-webhooks-examples-*.tgz
    python docs/how-to/github_events.py package/api.github.com/index.json > github.ndjson
    make demo ARGS="--events $PWD/github.ndjson"

The index is a list of {"name": "push", "examples": [payload, ...]}. A payload becomes the event's ``data``; its text
is read and written again once, here, with every number kept as it is written.
"""

import json
import sys
from pathlib import Path


def main(index: Path) -> None:
    for kind in json.loads(index.read_bytes()):
        for payload in kind["examples"]:
            print(json.dumps({"type": f"github.{kind['name']}", "data": payload}, ensure_ascii=False))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
