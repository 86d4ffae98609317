"""Fixtures of the tests of the delivering API: a tenant, its client, an endpoint of it."""

import pytest
from rest_framework.test import APIClient

from subscriptions.models import Endpoint, Tenant
from tests.factories import make_client, make_endpoint, make_tenant


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def client(tenant: Tenant) -> APIClient:
    return make_client(tenant)


@pytest.fixture
def endpoint(tenant: Tenant) -> Endpoint:
    return make_endpoint(tenant)
