from yt8m_exp.plots import document


def test_data_cannot_end_their_script(tmp_path):
    path = tmp_path / "a.js"
    path.write_text("1")
    assert "</script><b>" not in document.script(path, {"name": "</script><b>"})


def test_a_page_is_readable_on_dark():
    assert "prefers-color-scheme: dark" in document.page("A", [])
