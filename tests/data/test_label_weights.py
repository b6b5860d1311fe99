import numpy as np
import pytest

from yt8m_exp.data import label_weights


def written(tmp_path, text):
    path = tmp_path / "weights.csv"
    path.write_text(text)
    return path


def test_a_class_without_a_row_counts_one(tmp_path):
    path = written(tmp_path, "weight,index,name\n2.5,3,Guitar\n0,0,Game\n")
    np.testing.assert_array_equal(label_weights.read(path, 5), np.float32([0, 1, 1, 2.5, 1]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected the columns `index` and `weight`"),
        ("index,weight\n", "a class below"),
        ("index,name\n1,Game\n", "expected the columns `index` and `weight`"),
        ("index,weight\n5,1\n", r"row 1 below the first line: expected a class id in \[0, 5\)"),
        ("index,weight\n1,1\n1,2\n", "row 2 below the first line"),
        ("index,weight\n1,-1\n", "a weight of at least 0"),
        ("index,weight\n1,nan\n", "a weight of at least 0"),
        ("index,weight\n1,much\n", "a weight of at least 0"),
        ("index,weight\n1\n", "a weight of at least 0"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, sentence):
    with pytest.raises(ValueError, match=sentence):
        label_weights.read(written(tmp_path, text), 5)
