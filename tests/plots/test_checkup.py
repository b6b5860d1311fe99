import numpy as np

from yt8m_exp.data.doctor.findings import Finding
from yt8m_exp.data.doctor.release import Comparison
from yt8m_exp.data.doctor.survey import Survey
from yt8m_exp.plots import checkup


def page(findings=(), comparisons=()):
    sets = {"shards": Survey()}
    return checkup.render("Check", "<verdict>", sets, findings, comparisons, {"Norms": b"\x89PNG"})


def test_what_shards_hold_is_text_and_no_html():
    finding = Finding("malformed", "a/<b>.tfrecord", np.array([3, 4]), "record 3: got '<script>'.")
    text = page([finding])
    assert "<script>" not in text
    assert "<b>" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;verdict&gt;" in text


def test_what_differs_from_the_release_is_marked():
    rows = [Comparison("labels", 9, 3, 0.2), Comparison("norm", 3, 3, 0.2)]
    text = page(comparisons=rows)
    assert text.index("labels") < text.index("differs") < text.index("norm") < text.index("alike")


def test_shards_beyond_the_most_are_counted():
    findings = [Finding("cut", f"{n}", np.array([0]), "cut") for n in range(205)]
    assert "5 more are in findings.json" in page(findings)
    assert "<td class=number>205</td>" in page(findings)


def test_without_problems_there_is_no_table_of_them():
    assert "Problems" not in page()
