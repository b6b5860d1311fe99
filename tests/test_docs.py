"""Commands, examples, links and pictures of the Markdown files, and commands in `conf/`."""

import re
import shlex
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from yt8m_exp.config import compose, overrides, schema
from yt8m_exp.config.doors import verbs
from yt8m_exp.tuning.definition import Definition

PROJECT = Path(__file__).parents[1]
ENTRIES = yaml.safe_load((PROJECT / "MLproject").read_text())["entry_points"]
TARGETS = set(re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
FOLDERS = ("yt8m_exp", "conf", "tests", "sweeps", "sample", r"\.ci")
RUN_ID = "0123abc"
LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
TREE = re.compile(r"^  (\w+)/ +(.*(?:\n {8,}.*)*)", re.MULTILINE)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def is_ours(path: Path) -> bool:
    """Whether no folder on the way is a tool's own, as .venv."""
    return not any(part[0] == "." for part in path.relative_to(PROJECT).parent.parts)


PAGES = sorted(filter(is_ours, PROJECT.rglob("*.md")))
YAMLS = sorted((PROJECT / "conf").rglob("*.yaml"))


class Words(NamedTuple):
    """Some text, and the file in which it stands."""

    file: str
    text: str

    def __repr__(self) -> str:
        return f"{self.file}: {self.text}"


def blocks(*languages: str) -> list[Words]:
    return [
        Words(str(page.relative_to(PROJECT)), text)
        for page in PAGES
        for language, text in FENCE.findall(page.read_text())
        if language in languages
    ]


def commands(*starts: str) -> list[Words]:
    """The commands of all blocks and comments that begin so, without what runs them."""
    texts = [(file, text.replace("\\\n", " ").splitlines()) for file, text in blocks("", "sh")]
    for file in YAMLS:
        comments = re.findall(r"^# .*?((?:python -m|mlflow run|yt8m) .*)", file.read_text(), re.M)
        texts.append((str(file.relative_to(PROJECT)), comments))
    return [
        Words(file, part)
        for file, lines in texts
        for line in lines
        for part in (part.strip().removeprefix("uv run ") for part in line.split(" && "))
        if part.startswith(starts)
    ]


def slugs(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text())
    headings = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


VERBS = commands("python -m yt8m_exp", "yt8m ")
ENTRY_POINTS = commands("mlflow run")


def test_there_are_commands():
    assert len(VERBS) >= 30
    assert len(ENTRY_POINTS) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("words", VERBS, ids=repr)
def test_a_verb_takes_its_overrides(words):
    text = words.text.removeprefix("python -m ").replace("yt8m_exp.", "yt8m ")
    verb, *given = shlex.split(text.replace("<run id>", RUN_ID), comments=True)[1:]
    if verb != "completion":
        compose.compose(verb, given)


@pytest.mark.parametrize("words", ENTRY_POINTS, ids=repr)
def test_an_entry_point_takes_its_parameters(words):
    project, *options = shlex.split(words.text, comments=True)[2:]
    pairs = list(zip(options[::2], options[1::2], strict=True))
    (verb,) = (value for option, value in pairs if option == "-e")
    given = dict(value.split("=", 1) for option, value in pairs if option == "-P")
    assert project in (".", "cloud")  # with the same entry points: tests/test_cloud.py
    composed(verb, given)


def composed(verb, given):
    """Composes what an entry point runs; MLflow adds each parameter as two words."""
    command = shlex.split(ENTRIES[verb]["command"])
    assert command[:3] == ["python", "-m", f"yt8m_exp.{verb}"]
    words = [*command[3:], *(word for key, value in given.items() for word in (f"--{key}", value))]
    return compose.compose(verb, schema.words_of(verb, words))


@pytest.mark.parametrize("verb", ENTRIES)
def test_an_entry_point_is_a_verb_and_declares_no_parameter(verb):
    assert (PROJECT / "yt8m_exp" / f"{verb}.py").is_file()
    assert "parameters" not in ENTRIES[verb]  # MLflow would log each with its default
    composed(verb, {})


def test_every_verb_is_an_entry_point():
    assert ENTRIES.keys() == verbs().keys()


@pytest.mark.parametrize("words", commands("make "), ids=repr)
def test_a_target_of_make_is_there(words):
    targets = {word for word in shlex.split(words.text, comments=True)[1:] if "=" not in word}
    assert targets <= TARGETS


@pytest.mark.parametrize("words", commands("pytest"), ids=repr)
def test_a_path_given_to_pytest_is_there(words):
    for path in re.findall(r"\stests/\S*", words.text):
        assert (PROJECT / path.strip()).exists()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_benchmark_that_a_page_names_is_there(page):
    for module in re.findall(r"python -m benchmarks\.(\w+)", page.read_text()):
        assert (PROJECT / "benchmarks" / f"{module}.py").is_file()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_what_a_page_links_to_is_there(page):
    for found in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = "".join(found).partition("#")
        if path.startswith(("http://", "https://")):
            continue
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        assert not anchor or anchor in slugs(target), f"{path}#{anchor}"


@pytest.mark.parametrize("words", blocks("python"), ids=lambda words: words.file)
def test_python_of_a_page_is_python(words):
    compile(words.text, words.file, "exec")


@pytest.mark.parametrize("words", blocks("yaml"), ids=lambda words: words.file)
def test_a_study_of_a_page_is_one(words):
    entries = yaml.safe_load(words.text)
    definition = Definition.parse(entries)
    definition.search_space(partial(settings, definition.overrides))


def settings(given, params):
    changed = [overrides.override(*item) for item in params.items()]
    return compose.settings("train", [*given, *changed])


def test_every_page_of_the_documentation_is_in_its_index():
    index = (PROJECT / "docs" / "README.md").read_text()
    for page in sorted(PROJECT.glob("docs/*.md")):
        assert page.name == "README.md" or f"({page.name})" in index


def test_every_picture_is_shown():
    shown = "".join(page.read_text() for page in PAGES)
    for picture in sorted(PROJECT.glob("docs/*.png")):
        assert picture.name in shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_path_that_a_page_names_is_there(page):
    text = FENCE.sub("", page.read_text())
    for path in re.findall(rf"`((?:{'|'.join(FOLDERS)})/[\w./]*)`", text):
        assert (PROJECT / path).exists(), path


def test_the_tree_of_the_documentation_is_the_projects():
    tree = (PROJECT / "docs" / "how_it_is_built.md").read_text()
    named = dict(TREE.findall(tree))
    folders = {path.parent.name for path in (PROJECT / "yt8m_exp").glob("*/__init__.py")}
    assert named.keys() == folders
    for folder, text in named.items():
        for file in re.findall(r"\w+\.py", text):
            assert (PROJECT / "yt8m_exp" / folder / file).is_file(), f"{folder}/{file}"
