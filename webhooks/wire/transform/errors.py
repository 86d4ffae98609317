"""A transformer is refused when it is made, or one event when it is rendered; both say what to change.

ValueError
 +-- InvalidTransformer    the paths or the template are wrong, whatever the event
 +-- Unrenderable          they are right, but this event cannot be written with them
"""

__all__ = ["InvalidTransformer", "Unrenderable"]


class InvalidTransformer(ValueError):
    """This is not a transformer. ``path`` is a JSON pointer (RFC 6901) into {"input_paths", "template"}."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


class Unrenderable(ValueError):
    """This event cannot be rendered by this transformer, now or later."""
