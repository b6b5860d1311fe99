"""Bytes near to good ones, as disks, transfers and strangers leave them."""

from hypothesis import strategies as st

MOST_CHANGES = 4
ODD = [b"\x00", b"\xff", b"\n", b'"', b"{", b"[", b"\x80" * 9, b"\xff" * 9 + b"\x01", b"9" * 20]


@st.composite
def damaged(draw: st.DrawFn, known: bytes) -> bytes:
    """Draws bytes with a few changes: replaced, put in, cut out, or doubled."""
    data = known
    for _ in range(draw(st.integers(1, MOST_CHANGES))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.one_of(st.just(start), st.integers(start, len(data))))
        added = draw(st.one_of(st.sampled_from(ODD), st.binary(max_size=4)))
        doubled = draw(st.booleans()) and len(data) < 2 * len(known)
        data = data[:start] + added + data[start if doubled else end :]
    return data
