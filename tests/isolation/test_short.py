"""Test that nothing of the neighbour fails beside some of the attacks: the short form of the suite, without times.

The long form, every attack with times, is ``make isolation``.
"""

import pytest

from tests.isolation import name_server
from tests.isolation.attack import PLAIN, Attack
from tests.isolation.attacks import ATTACKS
from tests.isolation.platforms import Scene
from tests.isolation.run import run_one

BESIDE, GET_GOING = 2.5, 1.0  # seconds
CHOSEN = [attack for attack in ATTACKS.values() if attack.is_short and attack.platform == PLAIN]


@pytest.mark.parametrize("attack", CHOSEN, ids=lambda attack: attack.name.replace(" ", "-"))
def test_attack_harms_nothing_of_the_neighbour(running: Scene, attack: Attack) -> None:
    assert name_server.is_available() or not attack.by_name
    assert run_one(running, attack, {}, BESIDE, get_going=GET_GOING).problems == []
