"""Test the check-out of another commit."""

import sys
from pathlib import Path

import pytest

from benchmarks import trees
from benchmarks.trees import NoTreeError, check_out
from tests.processes import run


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with two commits, which differ in their requirements."""
    made = tmp_path / "repository"
    made.mkdir()
    monkeypatch.setattr(trees, "ROOT", made)
    monkeypatch.setattr(trees, "ENVIRONMENTS", tmp_path / "environments")
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    assert run(["git", "-C", str(made), "init", "-q"]).returncode == 0
    for requirements in ("# nothing\n", "# nothing new\n"):
        (made / "requirements.txt").write_text(requirements)
        for command in (["add", "-A"], [*author, "commit", "-q", "-m", requirements]):
            assert run(["git", "-C", str(made), *command]).returncode == 0
    return made


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "place"
    made.mkdir()
    return made


def test_tree_with_the_same_requirements_uses_this_python(repository: Path, directory: Path) -> None:
    (repository / "requirements.txt").touch()
    tree = check_out("HEAD", directory)
    assert tree.python == sys.executable
    assert [one.name for one in tree.root.iterdir()] == ["requirements.txt"]
    assert [one.name for one in directory.iterdir()] == ["tree"]


def test_tree_with_other_requirements_has_an_environment_that_is_kept(repository: Path, directory: Path) -> None:
    tree = check_out("HEAD~", directory)
    assert (tree.root / "requirements.txt").read_text() == "# nothing\n"
    assert tree.python.startswith(str(trees.ENVIRONMENTS))
    assert run([tree.python, "-c", "import sys; print(sys.prefix)"], text=True).stdout.strip() in tree.python
    made = Path(tree.python).stat().st_ctime_ns
    again = directory / "again"
    again.mkdir()
    assert check_out("HEAD~", again).python == tree.python
    assert Path(tree.python).stat().st_ctime_ns == made


def test_unknown_commit_is_no_tree(repository: Path, directory: Path) -> None:
    with pytest.raises(NoTreeError, match="nonsense is no commit of this repository"):
        check_out("nonsense", directory)


def test_requirements_that_cannot_be_installed_are_reported_and_tried_again(repository: Path, directory: Path) -> None:
    (repository / "requirements.txt").write_text("./nowhere\n")
    author = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    assert run(["git", "-C", str(repository), *author, "commit", "-q", "-a", "-m", "broken"]).returncode == 0
    (repository / "requirements.txt").write_text("# nothing\n")
    with pytest.raises(NoTreeError, match="nowhere"):
        check_out("HEAD", directory)
    assert not list(trees.ENVIRONMENTS.glob(f"*/{trees.COMPLETE}"))
