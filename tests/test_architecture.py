import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "yt8m_exp"
RANKS = [
    {"spec"},
    {"data", "models"},
    {"evaluation"},
    {"training"},
    {"plots", "terminal"},
    {"tracking", "registry", "serving"},
    {"tuning"},
]
VERBS = len(RANKS)
RANK = {folder: rank for rank, folders in enumerate(RANKS) for folder in folders}
FILES = sorted(PACKAGE.rglob("*.py"))
ONLY = {
    "mlflow": {"tracking", "registry", "serving"},
    "optuna": {"tuning"},
    "hydra": {"verbs"},
    "omegaconf": {"verbs"},
    "rich": {"terminal", "data"},  # the bar over shards that are checked
}


def place(path: Path) -> str:
    """Returns the folder of a file, `spec`, or `verbs` for the others at the root."""
    inside = path.relative_to(PACKAGE)
    return "spec" if inside.name == "spec.py" else (*inside.parts[:-1], "verbs")[0]


def imports(path: Path, *, at_start: bool = False) -> set[str]:
    """Returns the modules that a file imports, or that it imports when it is imported itself."""
    tree = ast.parse(path.read_text())
    found = set()
    for node in tree.body if at_start else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def ours(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imports(path) if name.startswith("yt8m_exp.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    mine = place(path)
    for folder in ours(path) - {mine}:
        assert RANK.get(folder, VERBS) < RANK.get(mine, VERBS) or mine == "verbs"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_library_stays_in_its_folders(path):
    libraries = {name.split(".")[0] for name in imports(path)}
    for library in libraries & ONLY.keys():
        assert place(path) in ONLY[library]


def test_what_has_to_answer_at_once_does_not_load_tensorflow():
    heavy = {"tensorflow", "keras", "mlflow"}
    for path in FILES:
        if place(path) in ("data", "verbs", "spec", "terminal"):
            assert not {name.split(".")[0] for name in imports(path, at_start=True)} & heavy
