"""The records of a sound TFRecord file, framed by a compiled loop; see `tfrecord` for the format.

Checksums are taken by the processor's own instruction for CRC-32C, eight bytes at a time.
"""

from functools import cache
from typing import Any

import numba
import numpy as np
from llvmlite import binding, ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from yt8m_exp.data.tfrecords import wire
from yt8m_exp.data.tfrecords.tfrecord import FOOTER_BYTES, HEADER_BYTES, Spans
from yt8m_exp.data.tfrecords.warming import Call

_LENGTH_BYTES = 8
_compiled = numba.njit(nogil=True, cache=True)


@cache
def is_fast() -> bool:
    """Tells whether this machine has the instruction."""
    return bool(dict(binding.get_host_cpu_features()).get("sse4.2"))


def sound(buffer: np.ndarray) -> Spans | None:
    """Returns where the records of a file lie; None where anything is wrong with one.

    Args:
        buffer: the bytes, uint8, with `wire.PADDING` to spare; the machine must be `is_fast`.
    """
    size = len(buffer) - wire.PADDING
    found = np.empty((2, size // (HEADER_BYTES + FOOTER_BYTES)), np.int64)
    count = _frame(buffer, wire.as_words(buffer), size, *found)
    return Spans(*found[:, :count].copy()) if count >= 0 else None


@_compiled
def _frame(buffer, words, size, starts, lengths):  # type: ignore[no-untyped-def]
    """Returns how many records there are; -1 where the file is not sound."""
    offset, count = 0, 0
    while offset < size:
        if offset + HEADER_BYTES > size:
            return -1
        length, start = words[offset], offset + HEADER_BYTES
        if _stored(words, offset + _LENGTH_BYTES) != _masked(buffer, words, offset, _LENGTH_BYTES):
            return -1
        if length < 0 or length > size - start - FOOTER_BYTES:
            return -1
        if _stored(words, start + length) != _masked(buffer, words, start, length):
            return -1
        starts[count], lengths[count] = start, length
        count += 1
        offset = start + length + FOOTER_BYTES
    return count


@_compiled
def _stored(words, place):  # type: ignore[no-untyped-def]
    return np.uint64(words[place]) & np.uint64(0xFFFFFFFF)


@_compiled
def _masked(buffer, words, start, length):  # type: ignore[no-untyped-def]
    crc, at = np.uint64(0xFFFFFFFF), start
    while at + 8 <= start + length:
        crc = _take_word(crc, np.uint64(words[at]))
        at += 8
    while at < start + length:
        crc = _take_byte(crc, np.uint64(buffer[at]))
        at += 1
    crc ^= np.uint64(0xFFFFFFFF)
    rotated = (crc >> np.uint64(15)) | (crc << np.uint64(17))
    return (rotated + np.uint64(0xA282EAD8)) & np.uint64(0xFFFFFFFF)


def _instruction(name: str, crc_bits: int, data_bits: int) -> Any:
    """Returns a function for compiled code that takes data, uint64, into a checksum, uint64."""

    def take(typing: Any, crc: Any, data: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            crc_type, data_type = ir.IntType(crc_bits), ir.IntType(data_bits)
            kind = ir.FunctionType(crc_type, [crc_type, data_type])
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            fitted = [
                value if value.type == wanted else builder.trunc(value, wanted)
                for value, wanted in zip(arguments, kind.args, strict=True)
            ]
            result = builder.call(function, fitted)
            return result if crc_bits == 64 else builder.zext(result, ir.IntType(64))

        return types.uint64(types.uint64, types.uint64), generate

    return intrinsic(take)


_take_word = _instruction("llvm.x86.sse42.crc32.64.64", 64, 64)
_take_byte = _instruction("llvm.x86.sse42.crc32.32.8", 32, 8)


def calls() -> list[Call]:
    """Returns a call of the loop for a file as it was read; see `warming`."""
    if not is_fast():
        return []
    buffer, none = np.zeros(wire.PADDING, np.uint8), np.zeros(0, np.int64)
    return [(_frame, (buffer, wire.as_words(buffer), 0, none, none))]
