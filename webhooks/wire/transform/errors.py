"""Define the errors of transformers: InvalidTransformer for every event, Unrenderable for one event."""


class InvalidTransformer(ValueError):
    """A transformer is invalid. ``path`` is a JSON pointer (RFC 6901) into {"input_paths", "template"}."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Unrenderable(ValueError):
    """This event cannot be rendered by this transformer, now or later."""
