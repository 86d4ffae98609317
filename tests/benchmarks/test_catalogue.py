import pytest

from benchmarks import __main__ as door
from benchmarks.catalogue import ROWS, START
from benchmarks.sizes import Sizes

TWO_MINUTES = 120
PROMISED = {"drain", "one-to-one", "fan-out", "publish", "idle", "hanging", "receive", "large-body", "usual"}


def test_the_quick_form_has_every_row_of_the_design_and_is_expected_to_end_in_two_minutes() -> None:
    quick = [entry for entry in ROWS if entry.is_quick]
    assert {entry.name for entry in quick} >= PROMISED
    assert START + sum(entry.seconds(Sizes(quick=True)) for entry in quick) < TWO_MINUTES


def test_names_are_given_once() -> None:
    assert len({entry.name for entry in ROWS}) == len(ROWS)


def test_the_list_says_how_long_each_row_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--list"])
    assert door.main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == [*(entry.name for entry in ROWS), "altogether"]
    assert all(line.split()[2] in ("s", "min") for line in lines)


@pytest.mark.parametrize("part", ["0", "-1", "1.5", "half"])
def test_a_scale_is_a_part_of_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    monkeypatch.setattr("sys.argv", ["benchmarks", "--list", "--scale", part])
    with pytest.raises(SystemExit):
        door.main()
    assert "--scale" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sizes", "size"),
    [(Sizes(quick=True), 10), (Sizes(), 1_000), (Sizes(scale=0.1), 100), (Sizes(scale=0.001), 10)],
)
def test_a_size_is_never_below_the_quick_one(sizes: Sizes, size: int) -> None:
    assert sizes.of(10, 1_000) == size
