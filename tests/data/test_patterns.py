import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m_exp.data.patterns import find_files
from yt8m_exp.spec import InputError


def made(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.fsencode(path.name))
    return list(paths)


def test_files_are_found_by_glob_folder_and_list(tmp_path):
    for name in ("b", "a"):
        (tmp_path / name).write_text("")
    (tmp_path / "folder").mkdir()
    both = [tmp_path / "a", tmp_path / "b"]
    assert find_files(str(tmp_path)) == both
    assert find_files([str(tmp_path / "b"), str(tmp_path / "*")]) == both[::-1]
    with pytest.raises(FileNotFoundError, match="No file matches"):
        find_files(str(tmp_path / "c*"))


def test_a_file_is_taken_once_however_it_is_spelled(tmp_path, monkeypatch, said):
    file, other = made(tmp_path / "x" / "a", tmp_path / "x" / "b")
    (tmp_path / "link").symlink_to(tmp_path / "x")
    (tmp_path / "x" / "c").symlink_to(file)
    monkeypatch.chdir(tmp_path)
    spellings = ["x/a", str(file), f"{tmp_path}//x/./a", "x/../x/a", "link/a", "x/c", "x/[ac]"]
    assert [path.name for path in find_files(spellings)] == ["a"]
    assert find_files(spellings)[0].samefile(file)
    assert said[0].startswith("7 files are matched again and taken once, as ")
    assert find_files([str(file), str(tmp_path / "x")]) == [file, other]


def test_a_hard_link_is_the_same_file(tmp_path, said):
    (file,) = made(tmp_path / "a")
    (tmp_path / "b").hardlink_to(file)
    assert find_files(str(tmp_path)) == [file]
    assert said == [f"1 files are matched again and taken once, as {tmp_path / 'b'}: {file}"]


def test_links_to_folders_above_end(tmp_path, said):
    """Several of them would lead to more paths than there is time for."""
    file, deep = made(tmp_path / "set" / "a", tmp_path / "set" / "x" / "y" / "b")
    for name in "pqrstu":
        (tmp_path / "set" / name).symlink_to(tmp_path / "set")
        (tmp_path / "set" / "x" / name).symlink_to("..")
    assert set(find_files(f"{tmp_path}/set/**/[ab]")) == {file, deep}
    assert set(find_files(f"{tmp_path}/**/y/**/*")) == {deep}
    assert set(find_files(f"{tmp_path}/set/**")) == {file, deep}


def test_hidden_folders_are_not_entered(tmp_path):
    (seen,) = made(tmp_path / "x" / "a")
    made(tmp_path / ".hidden" / "a", tmp_path / "x" / ".b")
    assert find_files(f"{tmp_path}/**/*") == [seen]


def test_files_named_once_are_not_spoken_of(tmp_path, said):
    made(tmp_path / "a", tmp_path / "b")
    find_files([str(tmp_path / "a"), str(tmp_path / "b")])
    assert said == []


@pytest.mark.parametrize("name", ["[v1]", "a*b", "what?", "[", "x[0-9]", "{a,b}", "~", "$HOME"])
def test_what_exists_is_taken_by_its_very_words(tmp_path, name):
    (file, beside) = made(tmp_path / name / "train0", tmp_path / name / "train1")
    made(tmp_path / "v" / "train0", tmp_path / "aXb" / "train0", tmp_path / "x1" / "train0")
    assert find_files(str(tmp_path / name)) == [file, beside]
    assert find_files(str(file)) == [file]
    assert find_files(str(tmp_path / name / "train*")) == [file, beside]
    assert find_files(str(tmp_path / name / "train[0]")) == [file]


@pytest.mark.parametrize("name", ["train[0].x", "a*b", "what?"])
def test_a_file_with_the_signs_of_a_glob_is_taken_by_its_very_words(tmp_path, name):
    (file, *_) = made(tmp_path / name, tmp_path / "train0.x", tmp_path / "aXb", tmp_path / "whats")
    assert find_files(str(file)) == [file]


def test_relative_patterns_stay_relative(tmp_path, monkeypatch):
    made(tmp_path / "x" / "a")
    monkeypatch.chdir(tmp_path)
    for pattern in ("x", "x/a", "x/*", "*/a", "**/a", "./x/a"):
        assert [os.fspath(path) for path in find_files(pattern)] == ["x/a"]


file_names = st.one_of(
    st.text("[]*?!-{}~$ab.\\'\" ", min_size=1, max_size=8),
    st.binary(min_size=1, max_size=8).map(os.fsdecode),
).filter(lambda name: "/" not in name and "\0" not in name and name.strip("."))


@given(st.lists(file_names, min_size=1, max_size=4, unique=True), file_names)
def test_any_name_is_found_by_its_very_words_and_in_its_folder(file_names, folder):
    with tempfile.TemporaryDirectory() as root:
        files = made(*(Path(root, folder, name) for name in file_names))
        for file in files:
            assert find_files(str(file)) == [file]
        shown = [file for file in files if not file.name.startswith(".")]
        if shown:
            assert sorted(find_files(str(Path(root, folder)))) == sorted(shown)
        if shown and "*" not in file_names:  # a file of that name is meant by its very word
            assert sorted(find_files(str(Path(root, folder, "*")))) == sorted(shown)


@given(st.text("[]*?!-{}~$ab./\\:\0é", max_size=12))
def test_any_pattern_finds_files_or_is_refused(pattern):
    with tempfile.TemporaryDirectory() as root:
        made(Path(root, "a"), Path(root, "b", "a"))
        try:
            found = find_files(f"{root}/b/{pattern}")
        except InputError:
            return
        assert all(file.is_file() for file in found)
