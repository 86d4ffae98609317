"""Call the API.

    with Client("https://hooks.example.com", "wp_...") as client:
        client.create_event({"type": "order.paid", "data": {"total": 42}}, tenant="acme")
        for endpoint in client.list_endpoints(tenant="acme"):
            print(endpoint["url"])

There is a method for each operation, named by its operationId in the description of the API. `AsyncClient` has the same
methods to be awaited; lists are iterated by `async for`.
"""

from waypost_client.async_operations import AsyncOperations
from waypost_client.operations import Operations


class Client(Operations):
    """Call the API. See ClientBase for the arguments."""


class AsyncClient(AsyncOperations):
    """Call the API from a coroutine. See AsyncClientBase for the arguments."""
