import gzip
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m_exp.serving.predictions import read_predictions
from yt8m_exp.serving.segment_files import (
    SegmentsWriter,
    read_class_ids,
    read_ratings,
    read_segments,
)
from yt8m_exp.spec import InputError

GOLDEN = Path(__file__).parents[1] / "golden" / "csv"
NAMES = [b"a:0", b"a:5", b"b:0"]


def write(path, scores=((0.5, 0.25), (0.75, 0.25), (0.5, 0.5)), class_ids=(7, 3), **options):
    with SegmentsWriter(path, class_ids, **options) as writer:
        writer.write(NAMES, class_ids, scores)


@pytest.mark.parametrize("most", [3, 100000])
def test_predictions_give_the_golden_lists(tmp_path, most):
    lines = list(read_predictions(GOLDEN / "segment_lines.head.csv"))
    with SegmentsWriter(tmp_path / "out.csv", range(3862), most=most) as writer:
        for segment, class_ids, scores in lines:
            writer.write([segment.encode()], class_ids[None], scores[None])
    golden = dict(read_segments(GOLDEN / f"segment_max_pred{most}.head.csv"))
    ours = dict(read_segments(tmp_path / "out.csv"))
    assert list(ours) == sorted(golden)
    assert ours == golden


def test_the_file_by_hand(tmp_path):
    write(tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == ("Class,Segments\n3,b:0 a:0 a:5\n7,a:5 a:0 b:0\n")
    write(tmp_path / "out.csv", most=1)
    assert (tmp_path / "out.csv").read_text() == "Class,Segments\n3,b:0\n7,a:5\n"


segment_names = st.text(st.characters(codec="utf-8"), max_size=6).map("{}:0".format)


@given(st.lists(segment_names, min_size=1, max_size=5, unique=True))
def test_any_segments_survive_or_are_refused(names):
    with tempfile.TemporaryDirectory() as folder:
        path, scores = Path(folder, "out.csv"), np.linspace(0.9, 0.1, len(names))[:, None]
        try:
            with SegmentsWriter(path, [3]) as writer:
                writer.write([name.encode() for name in names], [3], scores)
        except InputError:
            assert set(' ,"\r\n') & set("".join(names))
        else:
            assert list(read_segments(path)) == [(3, names)]


def test_the_golden_submission_is_read():
    lists = dict(read_segments(GOLDEN / "segment_submission.csv"))
    assert len(lists) == 1000
    assert lists[12][:2] == ["5q3Gf10:210", "rzk2f52:230"]
    assert {len(segments) for segments in lists.values()} <= {*range(1, 201)}


def test_ratings_are_read():
    ratings = read_ratings(GOLDEN / "segment_labels.csv")
    assert sum(map(len, ratings.values())) == 1091
    assert ratings[112]["Zhaaf0:120"]
    assert not ratings[112]["Zhaaf0:85"]


def test_other_encodings_are_named_with_their_line_and_a_byte_order_mark_is_none(tmp_path):
    path = tmp_path / "in.csv"
    for read, first in ((read_segments, b"Class,Segments\n"), (read_ratings, b"a:0,3,1\n")):
        path.write_bytes(first + b"3,\xe9:0\n")
        with pytest.raises(ValueError, match=r"in.csv, line 2: expected a text in UTF-8"):
            list(read(path))
    path.write_bytes(b"\xef\xbb\xbfIndex\r\n3\r\n")
    assert read_class_ids(path, 8).tolist() == [3]
    path.write_bytes(b"\xef\xbb\xbfClass,Segments\r\n3,a:0\r\n")
    assert list(read_segments(path)) == [(3, ["a:0"])]
    path.write_bytes(b"\xef\xbb\xbfa:0,3,1\r\n")
    assert read_ratings(path) == {3: {"a:0": True}}


@pytest.mark.parametrize(
    "text", ["Index\n7\n3\n7\n", "Index,KnowledgeGraphId,Name\n3,/m/0,x\n7,/m/1,y\n"]
)
def test_class_ids_are_read_in_their_order(tmp_path, text):
    (tmp_path / "ids.csv").write_text(text)
    assert read_class_ids(tmp_path / "ids.csv", 8).tolist() == [3, 7]


def test_compressed_files_are_equal_and_read(tmp_path):
    for name in ("out.csv", "one.csv.gz", "two.csv.gz"):
        write(tmp_path / name)
    compressed = (tmp_path / "one.csv.gz").read_bytes()
    assert compressed == (tmp_path / "two.csv.gz").read_bytes()
    assert gzip.decompress(compressed) == (tmp_path / "out.csv").read_bytes()
    assert [*read_segments(tmp_path / "one.csv.gz")] == [*read_segments(tmp_path / "out.csv")]


def test_a_failed_run_leaves_the_old_file_and_nothing_else(tmp_path):
    write(tmp_path / "out.csv", most=1)
    before = (tmp_path / "out.csv").read_bytes()
    with pytest.raises(ValueError, match="got nan"):
        write(tmp_path / "out.csv", scores=np.full((3, 2), np.nan))
    assert (tmp_path / "out.csv").read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / "out.csv"]


def test_an_output_that_cannot_be_is_refused_before_any_work(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        SegmentsWriter(tmp_path / "missing" / "out.csv", [0])


@pytest.mark.parametrize("name", [b"a b:0", b"a,b:0", b"a\nb:0", b'"a":0'])
def test_an_id_that_would_end_a_field_is_refused(tmp_path, name):
    with (
        pytest.raises(ValueError, match="must hold no space, comma or quote, but got"),
        SegmentsWriter(tmp_path / "out.csv", [0]) as writer,
    ):
        writer.write([b"a:0", name], [0], [[0.5], [0.5]])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("line", ["x,a:0", "3", "3,a:0,b:0", "3 a:0", f"{10**10},a:0"])
def test_other_files_are_refused_with_their_line(tmp_path, line):
    (tmp_path / "in.csv").write_text(f"Class,Segments\n1,a:0\n{line}\n")
    with pytest.raises(ValueError, match=r"in.csv, line 3: expected"):
        list(read_segments(tmp_path / "in.csv"))
    with pytest.raises(ValueError, match=r"in.csv, line 1: expected `video:start,class,score`"):
        read_ratings(tmp_path / "in.csv")
    (tmp_path / "in.csv").write_text("Class,Segments\n1,a:0\n1,a:5\n")
    with pytest.raises(
        ValueError, match=r"in.csv, line 3: a class must have one list, but class 1"
    ):
        list(read_segments(tmp_path / "in.csv"))
    (tmp_path / "in.csv").write_text("VideoId,LabelConfidencePairs\n")
    with pytest.raises(ValueError, match="expected the header"):
        list(read_segments(tmp_path / "in.csv"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("Class\n3\n", r"a column `Index`, but got \['Class'\]"),
        ("Index\n3\n8\n", r"row 2 .* \[0, 8\), but got '8'"),
        ("Index\nx\n", "row 1 .* got 'x'"),
        ("Index\n", "at least one class must be listed"),
    ],
)
def test_other_class_ids_are_refused(tmp_path, text, sentence):
    (tmp_path / "ids.csv").write_text(text)
    with pytest.raises(ValueError, match=sentence):
        read_class_ids(tmp_path / "ids.csv", 8)
