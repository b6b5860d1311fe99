"""Shards compressed as a whole: TFRecord's options GZIP and ZLIB, told by the first bytes."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.spec import InputError

HEAD_BYTES = 4096
WINDOW = {"GZIP": 31, "ZLIB": 15}  # zlib's wbits
OTHERS = {
    "bzip2": b"BZh",
    "xz": b"\xfd7zXZ\0",
    "zstd": b"\x28\xb5\x2f\xfd",
    "zip": b"PK\x03\x04",
}
_PIECE = 1 << 20


class Broken(InputError):
    """A compressed file that ends early, or is corrupt."""


def of(head: bytes) -> str:
    """Returns how a shard is compressed: GZIP, ZLIB, or an empty string where it is not.

    Args:
        head: its first `HEAD_BYTES`.
    """
    if _is_header(head):
        return ""
    if head.startswith(b"\x1f\x8b\x08"):
        return "GZIP"
    try:  # the two bytes that begin ZLIB say too little
        begun = zlib.decompressobj(WINDOW["ZLIB"]).decompress(head, tfrecord.HEADER_BYTES)
    except zlib.error:
        return ""
    return "ZLIB" if _is_header(begun) else ""


def other(head: bytes) -> str | None:
    """Returns the name of another format that a file begins as, if it is a known one."""
    return next((name for name, magic in OTHERS.items() if head.startswith(magic)), None)


def pieces(file: BinaryIO, compression: str) -> Iterator[bytes]:
    """Yields what a compressed file holds; files that were joined are one.

    Raises:
        Broken: the file ends early or is corrupt, after what was yielded.
    """
    stream, waiting = zlib.decompressobj(WINDOW[compression]), b""
    while waiting or (waiting := file.read(_PIECE)):
        if stream.eof:
            waiting = waiting.lstrip(b"\0")  # some programs fill the last block
            stream = zlib.decompressobj(WINDOW[compression]) if waiting else stream
            continue
        try:
            piece = stream.decompress(waiting, _PIECE)
        except zlib.error as error:
            raise Broken(f"its {compression} stream is corrupt ({error})") from None
        yield piece
        waiting = stream.unconsumed_tail or stream.unused_data
    yield stream.flush()
    if not stream.eof:
        raise Broken(f"its {compression} stream ends early")


def read_into(view: memoryview, file: BinaryIO, compression: str) -> int:
    """Fills memory with what a compressed file holds, up to where it is broken.

    Returns:
        How many bytes there are; more than there is room for where the file holds more.
    """
    at = 0
    with suppress(Broken):  # which was reported when the file was checked
        for piece in pieces(file, compression):
            if at + len(piece) > len(view):
                return at + len(piece)
            view[at : at + len(piece)] = piece
            at += len(piece)
    return at


def _is_header(head: bytes) -> bool:
    """Tells whether a TFRecord file may begin so: with a length whose checksum holds."""
    if len(head) < tfrecord.HEADER_BYTES:
        return False
    (checksum,) = struct.unpack_from("<I", head, 8)
    return tfrecord.masked_crc(head[:8]) == checksum
