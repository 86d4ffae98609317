from tests.webhooks.readers.conftest import system

__all__ = ["system"]
