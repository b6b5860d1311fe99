from pathlib import Path

import pytest

from yt8m_exp import spec
from yt8m_exp.data import vocabulary

SAMPLE = Path(__file__).parents[2] / "sample" / "vocabulary.csv"


def written(folder, text):
    path = folder / "vocabulary.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_sample_names_every_class():
    words = vocabulary.read(SAMPLE, spec.CLASSES)
    assert len(words.names) == spec.CLASSES
    assert words.names[:3] == ("Game", "Video game", "Vehicle")
    assert words.path == SAMPLE


def test_the_verticals_of_classes_are_read_where_the_file_tells_them(tmp_path):
    words = vocabulary.read(SAMPLE, spec.CLASSES)
    assert words.verticals[:3] == ("Games", "Games", "Autos & Vehicles")
    assert vocabulary.read(written(tmp_path, "index,name\n0,a\n"), 1).verticals == ()
    path = written(tmp_path, "Index,Name,Vertical1\n1,b,Games\n0,a,Sports\n")
    assert vocabulary.read(path, 2).verticals == ("Sports", "Games")


def test_the_index_is_the_key_whatever_the_order_of_rows(tmp_path):
    path = written(tmp_path, "index,name\n2,c\n0,a\n1,b\n")
    assert vocabulary.read(path, 3).names == ("a", "b", "c")


def test_the_data_sets_own_columns_are_understood(tmp_path):
    path = written(tmp_path, 'Index,TrainVideoCount,Name\n1,9,"Guitar, bass"\n0,8,Été\n')
    assert vocabulary.read(str(path), 2).names == ("Été", "Guitar, bass")


@pytest.mark.parametrize(
    "text",
    [
        'index,mid,display_name\n0,/m/09x0r,"Speech"\n1,/m/05zppz,"Male speech, man speaking"\n',
        'label_id,label_name\n0,Speech\n1,"Male speech, man speaking"\n',
        '\ufeffIndex,TrainVideoCount,Name\n1,9,"Male speech, man speaking"\n0,9,Speech\n',
        'index,name\r\n0,Speech\r\n1,"Male speech, man speaking"\r\n',
    ],
)
def test_the_lists_in_circulation_are_understood(tmp_path, text):
    path = tmp_path / "vocabulary.csv"
    path.write_text(text, encoding="utf-8", newline="")
    assert vocabulary.read(path, 2).names == ("Speech", "Male speech, man speaking")


def test_another_encoding_is_named_with_file_and_line(tmp_path):
    path = tmp_path / "vocabulary.csv"
    path.write_bytes("index,name\n0,Game\n1,Été\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"vocabulary\.csv, line 3: expected a text in UTF-8"):
        vocabulary.read(path, 2)


def test_the_remedy_names_the_key_of_the_verb(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Set vocabulary, or"):
        vocabulary.read(tmp_path / "none.csv", 3, key="vocabulary")
    with pytest.raises(ValueError, match="Set vocabulary to that of the release"):
        vocabulary.read(written(tmp_path, "index,name\n0,a\n"), 3, key="vocabulary")


def test_names_may_be_empty_and_repeat(tmp_path):
    path = written(tmp_path, "index,name\n0,\n1,same\n2,same\n")
    assert vocabulary.read(path, 3).names == ("", "same", "same")


def test_without_a_file_classes_are_only_numbered():
    assert vocabulary.read(None, 2) == vocabulary.Vocabulary(("", ""))


def test_a_missing_file_is_named_with_the_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.csv.*Set data\.vocabulary"):
        vocabulary.read(tmp_path / "none.csv", 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "columns `index` and `name`"),
        ("index,name\n", "columns `index` and `name`"),
        ("id,name\n0,a\n", "columns `index` and `name`"),
        ("index,name\n0,a\n1,b\n", "2 rows with ids up to 1"),
        ("index,name\n0,a\n1,b\n3,c\n", "ids up to 3"),
        ("index,name\n0,a\n1,b\n2,c\n2,d\n", "4 rows"),
        ("index,name\n0,a\n1,b\ntwo,c\n", "row 3 .*'two'"),
        ("index,name\n0,a\n1,b\n2,c,d\n", "row 3 .*2 values"),
        ("index,name\n0,a\n1,b\n2\n", "row 3 .*2 values"),
    ],
)
def test_a_vocabulary_of_other_classes_is_refused(tmp_path, text, words):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=words) as refused:
        vocabulary.read(path, 3)
    assert str(path) in str(refused.value)
