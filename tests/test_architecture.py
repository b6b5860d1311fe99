import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "yt8m_exp"
RANKS = [
    {"spec", "terminal"},
    {"stores"},
    {"data", "models"},
    {"evaluation", "videos"},
    {"training"},
    {"plots"},
    {"tracking"},
    {"registry", "serving"},
    {"tuning"},
    {"config"},
    {"jobs"},
]
VERBS = len(RANKS)
RANK = {folder: rank for rank, folders in enumerate(RANKS) for folder in folders}
FILES = sorted(PACKAGE.rglob("*.py"))
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ONLY = {
    "mlflow": {"tracking", "registry", "serving"},
    "optuna": {"tuning"},
    "hydra": {"verbs", "jobs", "config"},
    "omegaconf": {"verbs", "jobs", "config"},
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


def files(path: Path, *, at_start: bool = False) -> set[Path]:
    """Returns the files of ours that a file imports; see `imports`."""
    found = imports(path, at_start=at_start)
    names = [name.split(".")[1:] for name in found if name.startswith("yt8m_exp.")]
    ends = [(PACKAGE.joinpath(*name), PACKAGE.joinpath(*name[:-1])) for name in names]
    return {end.with_suffix(".py") for pair in ends for end in pair} & set(FILES)


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


def test_no_file_imports_itself_over_others():
    waiting = {path: files(path) for path in FILES}
    while free := [path for path, needs in waiting.items() if not needs & waiting.keys()]:
        for path in free:
            del waiting[path]
    assert not {str(path.relative_to(PACKAGE)) for path in waiting}


def test_only_a_comment_excuses_an_import_inside_a_function():
    for path in FILES:
        if place(path) == "verbs":
            continue
        lines = path.read_text().splitlines()
        assert "TYPE_CHECKING" not in "".join(lines)
        functions = (n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, FUNCTIONS))
        for node in (node for function in functions for node in ast.walk(function)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                before = lines[node.lineno - 2].strip()
                excused = before.startswith(("#", "from ", "import "))
                assert excused, f"{path.name}, line {node.lineno}"


def test_what_has_to_answer_at_once_does_not_load_tensorflow():
    heavy = {"tensorflow", "keras", "mlflow"}
    for path in FILES:
        if place(path) in ("data", "verbs", "spec", "terminal", "config"):
            assert not {name.split(".")[0] for name in imports(path, at_start=True)} & heavy


@pytest.mark.parametrize(
    "folder", ["tracking", "tuning", "registry/aliases.py", "registry/lock.py"]
)
def test_what_drives_studies_and_champions_loads_no_tensorflow(folder):
    loaded = {path for path in FILES if path.is_relative_to(PACKAGE / folder)}
    while more := {file for path in loaded for file in files(path, at_start=True)} - loaded:
        loaded |= more
    for path in loaded:
        libraries = {name.split(".")[0] for name in imports(path, at_start=True)}
        assert not libraries & {"tensorflow", "keras"}, path


BY_VERB = {PACKAGE, PACKAGE / "jobs"}  # a file for each verb, however many there are


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES} - BY_VERB), ids=str)
def test_a_folder_holds_one_idea(folder):
    assert len([path for path in folder.glob("*.py") if path.stem != "__init__"]) <= 15


def test_each_door_leads_to_one_job():
    doors, jobs = ({path.stem for path in folder.glob("*.py")} for folder in sorted(BY_VERB))
    assert doors - {"__main__", "cli", "spec"} == jobs
