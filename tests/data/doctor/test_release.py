import numpy as np
import pytest

from tests.data.doctor.shards import listed, released
from yt8m_exp import spec
from yt8m_exp.data.doctor import release, survey
from yt8m_exp.data.doctor.examination import examine_all
from yt8m_exp.data.doctor.release import (
    Comparison,
    compare,
    compare_classes,
    odd_classes,
    train_videos,
)


def found(folder):
    return survey.survey(examine_all(map(listed, sorted(released(folder).iterdir()))))


def test_other_shards_of_the_release_are_alike():
    whole = found("v1")  # of 2017
    rows = list(compare(whole.features, whole.labels_per_video))
    assert len(rows) == 7
    assert not [row.name for row in rows if row.differs]


def test_the_real_half_of_the_test_split_is_not_judged():
    whole = found("test")
    assert list(compare(whole.features, whole.labels_per_video)) == []  # 144 videos are too few


def test_features_without_whitening_differ():
    whole = found("v1")
    feature = whole.features["mean_rgb"]
    scale = np.linspace(3, 0.3, spec.RGB)
    joined = type(feature)(
        feature.count,
        feature.sums * scale,
        feature.squares * scale**2,
        feature.norms,
        feature.norms,
    )
    rows = compare({"mean_rgb": joined}, whole.labels_per_video)
    assert [row.name for row in rows if row.differs] == [
        "deviation of mean_rgb, first eighth",
        "deviation of mean_rgb, last eighth",
    ]


def test_a_tolerance_is_the_same_in_both_directions():
    assert not Comparison("x", 1.19, 1, 0.2).differs
    assert Comparison("x", 1.21, 1, 0.2).differs
    assert not Comparison("x", 1 / 1.19, 1, 0.2).differs
    assert Comparison("x", 1 / 1.21, 1, 0.2).differs


def test_the_vocabulary_of_the_sample_has_the_training_videos(tmp_path):
    counts = train_videos("sample/vocabulary.csv")
    assert counts is not None
    assert len(counts) == spec.CLASSES
    assert counts[0] == 788_288
    assert 2.95 < counts.sum() / release.TRAIN_VIDEOS < 3.05
    assert (train_videos(released("meta/vocabulary.csv")) == counts).all()
    (tmp_path / "names.csv").write_text("index,name\n0,a\n")
    assert train_videos(tmp_path / "names.csv") is None
    assert train_videos(None) is None


def test_classes_are_odd_where_chance_is_too_little():
    expected = np.array([100.0, 100, 100, 4, 0.1, 1000])
    counts = np.array([110, 20, 300, 9, 1, 1900])
    assert odd_classes(counts, expected).tolist() == [1, 2]


def test_frequencies_of_classes_are_compared_at_the_same_number_of_labels():
    trained = train_videos("sample/vocabulary.csv")
    counts = trained // 100
    counts[7] *= 3
    found = compare_classes({spec.CLASSES: counts}, "sample/vocabulary.csv")
    assert found.expected.sum() == pytest.approx(counts.sum())
    assert [row["class_id"] for row in found.listed()] == [7]
    assert compare_classes({spec.CLASSES: counts * 0}, "sample/vocabulary.csv") is None
    assert compare_classes({spec.CLASSES_2017: counts}, "sample/vocabulary.csv") is None
