"""Checksums of objects: of bytes in memory, and of bytes as they arrive."""

import hashlib

import google_crc32c
import numpy as np

from yt8m_exp.stores.objects import Object


def crc32c(data: memoryview) -> str:
    """Returns the CRC-32C of bytes, 8 hexadecimal digits."""
    return f"{extended(0, data):08x}"


def extended(crc: int, data: memoryview) -> int:
    """Returns the CRC-32C of bytes behind others whose CRC-32C is known; that of none is 0."""
    values = np.frombuffer(data, np.uint8)
    values.flags.writeable = False  # or the library refuses it
    return google_crc32c.extend(crc, values)


class Checksum:
    """Compares bytes with what a listing says of them.

    Args:
        found: the object as it was listed. CRC-32C is taken if its store knows that, otherwise MD5;
            where it knows neither, the size alone is compared.
    """

    def __init__(self, found: Object) -> None:
        self._found = found
        self._bytes = 0
        self._crc32c = google_crc32c.Checksum() if found.crc32c else None
        self._md5 = hashlib.md5(usedforsecurity=False) if not found.crc32c and found.md5 else None

    def update(self, data: bytes) -> None:
        """Takes the next bytes."""
        self._bytes += len(data)
        for checksum in (self._crc32c, self._md5):
            if checksum:
                checksum.update(data)

    def problem(self) -> str | None:
        """Says what differs, or None."""
        found = self._found
        pairs = [("bytes", str(found.bytes), str(self._bytes))]
        if self._crc32c:
            pairs.append(("the CRC-32C", str(found.crc32c), self._crc32c.digest().hex()))
        if self._md5:
            pairs.append(("the MD5", str(found.md5), self._md5.hexdigest()))
        for what, expected, got in pairs:
            if expected != got:
                return f"{found.uri}: expected {what} {expected} of its listing, but got {got}."
        return None
