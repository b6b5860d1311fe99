import gzip
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yt8m_exp.evaluation import scoring
from yt8m_exp.serving.predictions import PredictionsWriter, read_predictions
from yt8m_exp.spec import InputError

GOLDEN = Path(__file__).parents[1] / "golden" / "csv"


def batch(videos=5, k=20, seed=0):
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.random((videos, k), dtype=np.float32) ** 4, axis=1)[:, ::-1]
    return [f"v{i:03d}" for i in range(videos)], rng.integers(0, 3862, (videos, k)), scores


def write(path, *batches):
    write_all(path, batches)


def write_all(path, batches):
    with PredictionsWriter(path) as writer:
        for one in batches:
            writer.write(*one)


@pytest.mark.parametrize("name", ["top20.head.csv", "top3.head.csv", "top20_whitelisted.head.csv"])
def test_lines_are_those_of_the_starter_code(tmp_path, name):
    videos = list(read_predictions(GOLDEN / name))
    write(tmp_path / name, *(([video], c[None], s[None]) for video, c, s in videos))
    assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes()


@pytest.mark.parametrize("k", [3, 20])
def test_predictions_give_the_golden_file(tmp_path, k):
    arrays = np.load(GOLDEN / "predictions.npz")
    order = np.argsort(-arrays["predictions"], axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(arrays["predictions"], order, axis=1)
    write(tmp_path / "top.csv", (arrays["ids"], order, scores))
    ours = (tmp_path / "top.csv").read_text().splitlines()
    golden = (GOLDEN / f"top{k}.head.csv").read_text().splitlines()
    untied = [0] + [1 + i for i, row in enumerate(scores) if (np.diff(row) < 0).all()]
    assert len(untied) >= 6
    assert [ours[i] for i in untied] == [golden[i] for i in untied]


def test_the_older_format_of_fixed_decimals_is_read(tmp_path):
    for ours, theirs in zip(
        read_predictions(GOLDEN / "top3.head.csv"),
        read_predictions(GOLDEN / "top3.seed.csv"),
        strict=True,
    ):
        assert ours[0] == theirs[0]
        np.testing.assert_array_equal(ours[1], theirs[1])
        np.testing.assert_allclose(ours[2], theirs[2], atol=1e-6)


@pytest.mark.parametrize("k", [3, 20])
def test_lines_are_those_of_2017_on_request(tmp_path, k):
    golden = GOLDEN / f"top{k}.seed.csv"
    with PredictionsWriter(tmp_path / "out.csv", score_format="f") as writer:
        for video, class_ids, scores in read_predictions(golden):
            writer.write([video], class_ids[None], scores[None])
    assert (tmp_path / "out.csv").read_bytes() == golden.read_bytes()


def test_predictions_of_listed_classes_give_the_golden_file(tmp_path):
    arrays = np.load(GOLDEN / "predictions.npz")
    listed = np.flatnonzero(arrays["whitelist_mask"])
    masked = scoring.masked(arrays["predictions"], listed)
    np.testing.assert_array_equal(masked, arrays["predictions_after_whitelist_call"])
    best = scoring.best({}, masked, 20)
    write(tmp_path / "out.csv", (arrays["ids"], best.class_ids, best.scores))
    golden = read_predictions(GOLDEN / "top20_whitelisted.head.csv")
    for ours, theirs in zip(read_predictions(tmp_path / "out.csv"), golden, strict=True):
        assert (ours[0], len(ours[1])) == (theirs[0], 20)
        np.testing.assert_array_equal(ours[2], theirs[2])
        pairs = [
            {(c, s) for c, s in zip(ids, scores, strict=True) if s > 0}
            for _, ids, scores in (ours, theirs)
        ]  # some tie
        assert pairs[0] == pairs[1]


def test_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match="`score_format` must be g or f, but got 'd'"):
        PredictionsWriter(tmp_path / "out.csv", score_format="d")


@pytest.mark.parametrize("score", ["9" * 40, "inf", "nan", "-1", "a"])
def test_a_score_that_is_none_is_refused_with_its_line(tmp_path, score):
    (tmp_path / "in.csv").write_text(f"VideoId,LabelConfidencePairs\na,1 0.5\nb,1 {score}\n")
    with pytest.raises(ValueError, match=r"in.csv, line 3: expected `id,class score"):
        list(read_predictions(tmp_path / "in.csv"))


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path):
    (tmp_path / "in.csv").write_bytes(b"VideoId,LabelConfidencePairs\na,1 0.5\n\xe9,1 0.5\n")
    with pytest.raises(ValueError, match=r"in.csv, line 3: expected a text in UTF-8"):
        list(read_predictions(tmp_path / "in.csv"))


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_what_is_written_is_read(tmp_path, name):
    batches = batch(seed=1), batch(seed=2, k=3), batch(videos=0), batch(videos=1, k=1)
    write(tmp_path / name, *batches)
    rows = [row for one in batches for row in zip(*one, strict=True)]
    for (video, class_ids, scores), row in zip(
        read_predictions(tmp_path / name), rows, strict=True
    ):
        assert video == row[0]
        np.testing.assert_array_equal(class_ids, row[1])
        np.testing.assert_allclose(scores, row[2], rtol=6e-6)


def test_batches_do_not_show_in_the_file(tmp_path):
    ids, class_ids, scores = batch()
    write(tmp_path / "one.csv", (ids, class_ids, scores))
    parts = [slice(0, 2), slice(2, 5)]
    write(tmp_path / "two.csv", *((ids[p], class_ids[p], scores[p]) for p in parts))
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()


def test_equal_runs_give_equal_compressed_bytes(tmp_path):
    write(tmp_path / "one.csv.gz", batch())
    write(tmp_path / "two.csv.gz", batch())
    write(tmp_path / "plain.csv", batch())
    compressed = (tmp_path / "one.csv.gz").read_bytes()
    assert compressed == (tmp_path / "two.csv.gz").read_bytes()
    assert gzip.decompress(compressed) == (tmp_path / "plain.csv").read_bytes()


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=6), min_size=1, max_size=5))
def test_any_ids_survive(ids):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out.csv")
        write(path, (ids, np.zeros((len(ids), 1), int), np.full((len(ids), 1), 0.5, np.float32)))
        assert [row[0] for row in read_predictions(path)] == ids


def test_odd_ids_survive(tmp_path):
    ids = ["a,b", 'say "x"', "%s", "äé", "", "line\nbreak"]
    write(tmp_path / "out.csv", (ids, np.zeros((6, 1), int), np.full((6, 1), 0.5)))
    assert [row[0] for row in read_predictions(tmp_path / "out.csv")] == ids
    assert "\n%s,0 0.5\n" in (tmp_path / "out.csv").read_text()


@pytest.mark.parametrize("name", ["out.csv", "out.csv.gz"])
def test_a_failed_run_leaves_the_old_file_and_nothing_else(tmp_path, name):
    write(tmp_path / name, batch(seed=1))
    before = (tmp_path / name).read_bytes()

    def batches():
        yield batch(seed=2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_all(tmp_path / name, batches())
    assert (tmp_path / name).read_bytes() == before
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_the_file_has_no_name_before_it_is_complete(tmp_path):
    with PredictionsWriter(tmp_path / "out.csv") as writer:
        writer.write(*batch())
        assert not (tmp_path / "out.csv").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "out.csv"]


def test_an_output_that_cannot_be_is_refused_before_any_work(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileNotFoundError, match="does not exist"):
        PredictionsWriter(tmp_path / "missing" / "out.csv")
    with pytest.raises(InputError, match="is not a folder"):
        PredictionsWriter(tmp_path / "file" / "out.csv")
    with pytest.raises(InputError, match="is a folder"):
        PredictionsWriter(tmp_path)
    with pytest.raises(InputError, match="not a regular file"):
        PredictionsWriter("/dev/null")


def test_a_folder_without_permission_is_refused_before_any_work():
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        os.seteuid(user or 65534)  # root may write anywhere
        try:
            with pytest.raises(InputError, match="cannot be written to"):
                PredictionsWriter(Path(folder) / "out.csv")
        finally:
            os.seteuid(user)
            Path(folder).chmod(0o755)


@pytest.mark.parametrize(
    ("class_ids", "scores", "sentence"),
    [
        ([[1, 2]], [[0.1, 0.2]], r"those of 'v' are \[0.1, 0.2\]"),
        ([[1, 2]], [[0.1, np.nan]], "must fall"),
        ([[1, 2, 3]], [[0.2, 0.1]], r"shapes \(1, 3\), \(1, 2\)"),
        ([[1], [2]], [[0.2], [0.1]], "1 ids"),
    ],
)
def test_wrong_batches_are_refused(tmp_path, class_ids, scores, sentence):
    with (
        pytest.raises(ValueError, match=sentence),
        PredictionsWriter(tmp_path / "out.csv") as writer,
    ):
        writer.write(["v"], class_ids, scores)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "line",
    [
        *("v,1 0.5 2", "v,1 x", "v", "v,1 0.5,2", "v,-1 0.5", "v,1_0 0.5", "v,9999999999 0.5"),
        *("v,1 -0.5", "v,1 nan"),
    ],
)
def test_other_files_are_refused_with_their_line(tmp_path, line):
    (tmp_path / "in.csv").write_text(f"VideoId,LabelConfidencePairs\nw,1 0.5\n{line}\n")
    with pytest.raises(ValueError, match=r"in.csv, line 3: expected"):
        list(read_predictions(tmp_path / "in.csv"))
    (tmp_path / "in.csv").write_text("Class,Segments\n")
    with pytest.raises(ValueError, match="expected the header"):
        list(read_predictions(tmp_path / "in.csv"))
