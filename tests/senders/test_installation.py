"""Test which libraries are installed beside those of the tests."""

from tests.senders.installation import additional

LOCK = """alpha==1.0 \\
    --hash=sha256:aa
beta[http2]==2.0 ; python_full_version < '4' \\
    --hash=sha256:bb \\
    --hash=sha256:cc
"""


def test_requirement_that_is_installed_in_this_version_is_not_installed_again() -> None:
    alpha, beta = LOCK.partition("beta")[0], "beta" + LOCK.partition("beta")[2]
    assert additional(LOCK, alpha) == beta
    assert additional(LOCK, alpha.replace("1.0", "1.1")) == LOCK
    assert additional(LOCK, LOCK) == ""
