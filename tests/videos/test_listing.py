import pytest

from yt8m_exp.spec import InputError, MissingInputError
from yt8m_exp.videos import labelling, listing
from yt8m_exp.videos.listing import Source


def table(folder, text, name="videos.csv"):
    (folder / name).write_text(text)
    return folder / name


def test_a_table_has_paths_beside_it_and_labels(tmp_path):
    path = table(tmp_path, "path,labels\na.mp4,3 17\nsub/b.webm,\n/far/c,4\n")
    assert listing.read(path) == [
        Source("a", tmp_path / "a.mp4", ("3", "17")),
        Source("b", tmp_path / "sub/b.webm", ()),
        Source("c", listing.Path("/far/c"), ("4",)),
    ]


@pytest.mark.parametrize("first", ["", "id,path,label\n"])
def test_columns_may_be_named_and_ids_given(tmp_path, first):
    rows = "x,a.mp4,big dog;cat\ny,a.mp4,cat\n" if first else "a.mp4,big dog;cat,x\na.mp4,cat,y\n"
    found = listing.read(table(tmp_path, first + rows))
    assert [(source.id, source.labels) for source in found] == [
        ("x", ("big dog", "cat")),
        ("y", ("cat",)),
    ]


def test_a_table_of_paths_alone_has_no_labels(tmp_path):
    assert listing.read(table(tmp_path, "a.mp4\n"))[0].labels is None


def test_a_folder_has_its_videos_and_a_file_is_one(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.MP4", "sub/a.mkv", "notes.txt"):
        (tmp_path / name).touch()
    assert [source.id for source in listing.read(tmp_path)] == ["b", "a"]
    assert listing.read(tmp_path / "notes.txt") == [Source("notes", tmp_path / "notes.txt")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a/x.mp4,1\nb/x.mp4,2\n", "both 'x'. Give a table with a third column"),
        (",1\n", "line 1: expected `path,labels`"),
        ("path,labels\n", "holds no video"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, words):
    with pytest.raises(InputError, match=words):
        listing.read(table(tmp_path, text))


def test_a_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(MissingInputError, match="no table, folder or video"):
        listing.read(tmp_path / "none")


def sources(*labels):
    return [
        Source(f"v{place}", listing.Path("a"), None if found is None else tuple(found.split()))
        for place, found in enumerate(labels)
    ]


def test_names_make_a_vocabulary_in_alphabetical_order():
    found = labelling.read(sources("dog cat", None, "ape"), None)
    assert found.names == ("ape", "cat", "dog")
    assert found.ids == {"v0": [2, 1], "v2": [0]}


def test_numbers_are_class_ids():
    assert labelling.read(sources("4 1", "0"), None) == ({"v0": [4, 1], "v1": [0]}, ("",) * 5)
    assert labelling.read(sources(None), None) == ({}, ())


def test_a_vocabulary_gives_names_and_numbers_their_ids(tmp_path):
    path = tmp_path / "words.csv"
    labelling.write(path, ["dog", "", "cat, big"])
    assert labelling.read(sources("dog 2"), str(path)) == (
        {"v0": [0, 2]},
        ("dog", "", "cat, big"),
    )
    for label in ("3", "dag"):
        with pytest.raises(InputError, match=f"v0 has the label '{label}', which is no class"):
            labelling.read(sources(label), str(path))
