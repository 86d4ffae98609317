"""Show receivers in six languages that verify the signature; each is a whole program in ``samples/``."""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("samples")


class CodeSample(NamedTuple):
    """A receiver in one language. ``setup``: what has to be installed; empty: nothing."""

    name: str
    label: str
    setup: str
    text: str


def _sample(name: str, label: str, setup: str = "") -> CodeSample:
    return CodeSample(name, label, setup, (FOLDER / f"{name}.txt").read_text().rstrip())


CODE_SAMPLES = (
    _sample("python", "Python", "pip install standardwebhooks"),
    _sample("node", "Node"),
    _sample("go", "Go"),
    _sample("java", "Java"),
    _sample("php", "PHP"),
    _sample("ruby", "Ruby", "gem install rack rackup base64"),
)
