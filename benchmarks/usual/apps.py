from pathlib import Path

from django.apps import AppConfig


class UsualConfig(AppConfig):
    name = "benchmarks.usual"
    label = "usual"
    path = str(Path(__file__).parent)
