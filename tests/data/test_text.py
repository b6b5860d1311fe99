import gzip

import pytest

from yt8m_exp.data import text

WORDS = 'Index,Name\n0,Été\n1,"two\nlines"\n'


def written(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf8_is_read_with_a_byte_order_mark_or_without_and_compressed(tmp_path, encoding, pack):
    path = written(tmp_path / "any.csv", pack(WORDS.encode(encoding)))
    assert "".join(text.lines(path)) == WORDS
    assert list(text.table(path)) == [
        (1, ["Index", "Name"]),
        (2, ["0", "Été"]),
        (4, ["1", "two\nlines"]),
    ]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (WORDS.encode("latin-1"), r"any.csv, line 2: .* the byte 0xc9 behind '0,'. Save it as"),
        (b"a\nb\n" + b"x" * 99 + b"\xff", r"any.csv, line 3: .* the byte 0xff behind 'x{40}'"),
        (WORDS.encode("utf-16"), "any.csv: .* but it is UTF-16. Save it as UTF-8"),
        (gzip.compress(WORDS.encode(), mtime=0)[:-9], "any.csv: its GZIP stream is broken"),
        (
            gzip.compress(WORDS.encode(), mtime=0)[:-8] + b"\0" * 8,
            "any.csv: its GZIP stream is broken",
        ),
        (gzip.compress(WORDS.encode("latin-1"), mtime=0), "any.csv, line 2: .* the byte 0xc9"),
        (b"a,b\r\rc,d", "any.csv is no CSV file"),
        (b"x" * 200_000, "any.csv is no CSV file: field larger"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(tmp_path, data, sentence):
    path = written(tmp_path / "any.csv", data)
    with pytest.raises(ValueError, match=sentence):
        list(text.table(path))
