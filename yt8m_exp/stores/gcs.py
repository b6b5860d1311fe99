"""Google Cloud Storage as a store, through google-cloud-storage.

TensorFlow's own file system is not used: it checks no checksum of a whole file.
"""

import base64
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from yt8m_exp.spec import InputError, MissingInputError, UserError
from yt8m_exp.stores.objects import FOLDER, Changed, Interrupted, Object, Sink
from yt8m_exp.stores.patterns import literal, matches

FIELDS = "items(name,size,crc32c,md5Hash,generation),nextPageToken"
GENERATION = re.compile(r"#(\d+)$")


class GoogleCloudStorage:
    """Objects of buckets. `gs://bucket/name#123` is an object of one generation."""

    def list(self, patterns: Sequence[str], names: Sequence[str] = FOLDER) -> list[list[Object]]:
        pinned = {pattern: self.stat(pattern) for pattern in patterns if _split(pattern)[2]}
        prefixes = _prefixes([pattern for pattern in patterns if pattern not in pinned])
        listings = {key: _listed(*key) for key in set(prefixes.values())}
        chosen = {
            pattern: _chosen(pattern, listings[key], names) for pattern, key in prefixes.items()
        }
        chosen |= {pattern: [found] if found else [] for pattern, found in pinned.items()}
        return [chosen[pattern] for pattern in patterns]

    def stat(self, uri: str) -> Object | None:
        bucket, name, generation = _split(uri)
        with _explained(uri):
            blob = _bucket(bucket).get_blob(name, generation=generation)
        return _object(bucket, blob) if blob else None

    def read(self, found: Object, sink: Sink, *, start: int = 0) -> None:
        bucket, name, _ = _split(found.uri)
        blob = _bucket(bucket).blob(name, generation=int(found.generation))
        with _explained(found.uri, changed=True):
            # Of the bytes as they are stored; their checksum is the caller's to check, as a
            # download takes it from its own headers.
            blob.download_to_file(_Written(sink), start=start, raw_download=True, checksum=None)

    def write(self, file: Path, uri: str, *, replaces: Object | None) -> Object:
        bucket, name, _ = _split(uri)
        expected = int(replaces.generation) if replaces else 0
        blob = _bucket(bucket).blob(name)
        with _explained(uri, changed=True):
            blob.upload_from_filename(str(file), if_generation_match=expected, checksum="crc32c")
        return _object(bucket, blob)

    def remove(self, uri: str) -> None:
        bucket, name, _ = _split(uri)
        with suppress(Changed), _explained(uri, changed=True):
            _bucket(bucket).blob(name).delete()


class _Written:
    """A sink as a file."""

    def __init__(self, sink: Sink):
        self.write = sink


def _prefixes(patterns: Sequence[str]) -> dict[str, tuple[str, str, str | None]]:
    """Returns what to list for each pattern: bucket, prefix, and what ends a name, if anything.

    Names in one folder, thousands perhaps, share a listing.
    """
    whole: dict[tuple[str, str], list[str]] = {}
    found: dict[str, tuple[str, str, str | None]] = {}
    for pattern in patterns:
        bucket, name, _ = _split(pattern)
        begin = literal(name)
        if begin == name:
            whole.setdefault((bucket, name.rstrip("/").rpartition("/")[0]), []).append(pattern)
        else:
            nested = "/" in name[len(begin) :] or "**" in name
            found[pattern] = (bucket, begin, None if nested else "/")
    for (bucket, _), named in whole.items():
        names = [_split(pattern)[1] for pattern in named]
        first, last = min(names), max(names)
        length = next((n for n in range(len(first)) if first[n] != last[n]), len(first))
        found |= {pattern: (bucket, first[:length].rstrip("/"), None) for pattern in named}
    return found


def _chosen(pattern: str, listed: Sequence[Object], names: Sequence[str]) -> list[Object]:
    """Returns those of a listing that a glob matches, an object, or those of a folder."""
    bucket, name, _ = _split(pattern)
    by_name = {found.uri.removeprefix(f"gs://{bucket}/"): found for found in listed}
    if name in by_name and not name.endswith("/"):
        return [by_name[name]]
    globs = [name]
    if literal(name) == name:
        globs = [f"{name.rstrip('/')}/{one}".lstrip("/") for one in names]
    return [
        one
        for other, one in by_name.items()
        if other[-1:] != "/" and any(matches(other, one) for one in globs)
    ]


def _listed(bucket: str, prefix: str, delimiter: str | None) -> list[Object]:
    with _explained(f"gs://{bucket}/{prefix}"):
        blobs = list(
            _client().list_blobs(bucket, prefix=prefix, delimiter=delimiter, fields=FIELDS)
        )
    return sorted((_object(bucket, blob) for blob in blobs), key=lambda found: found.uri)


def _object(bucket: str, blob: Any) -> Object:
    return Object(
        uri=f"gs://{bucket}/{blob.name}",
        bytes=int(blob.size),
        generation=str(blob.generation),
        crc32c=hexadecimal(blob.crc32c),
        md5=hexadecimal(blob.md5_hash),
    )


def hexadecimal(checksum: str | None) -> str | None:
    """Returns a checksum in hexadecimal digits that Google writes in base 64."""
    return base64.b64decode(checksum).hex() if checksum else None


def _split(uri: str) -> tuple[str, str, int | None]:
    generation = GENERATION.search(uri)
    plain = uri[: generation.start()] if generation else uri
    bucket, _, name = plain.partition("://")[2].partition("/")
    if not bucket:
        raise InputError(f"A URI must name a bucket, gs://bucket/name, but got {uri!r}.")
    return bucket, name, int(generation[1]) if generation else None


def _bucket(name: str) -> Any:
    return _client().bucket(name)


def _client() -> Any:
    return _client_of(os.environ.get("STORAGE_EMULATOR_HOST"), os.getpid())


@cache
def _client_of(emulator: str | None, process: int) -> Any:
    # Imported here: it takes a second to load, and only buckets need it.
    from google.auth.exceptions import GoogleAuthError
    from google.cloud import storage

    try:
        return storage.Client(project=os.environ.get("GOOGLE_CLOUD_PROJECT") or "none")
    except GoogleAuthError as error:
        raise UserError(
            f"Google Cloud Storage needs credentials: {error} Log in: gcloud auth "
            "application-default login, or set GOOGLE_APPLICATION_CREDENTIALS."
        ) from error


@contextmanager
def _explained(uri: str, *, changed: bool = False) -> Iterator[None]:
    """Says in a sentence what Google's client raises."""
    # Imported here as above.
    import requests
    from google.api_core import exceptions
    from google.auth.exceptions import GoogleAuthError, TransportError

    try:
        yield
    except (exceptions.NotFound, exceptions.PreconditionFailed) as error:
        if changed:
            raise Changed(
                f"{uri} was replaced or deleted while it was in use. Start again."
            ) from error
        raise MissingInputError(f"There is no bucket of {uri}, or you may not see it.") from error
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise UserError(f"Google Cloud Storage refuses access to {uri}: {_text(error)}") from error
    except (
        exceptions.GoogleAPIError,
        requests.RequestException,
        ConnectionError,
        TransportError,
    ) as error:
        raise Interrupted(f"Google Cloud Storage failed at {uri}: {_text(error)}") from error
    except GoogleAuthError as error:
        raise UserError(
            f"The credentials for {uri} were refused: {_text(error)} Log in again: gcloud auth "
            "application-default login."
        ) from error


def _text(error: Exception) -> str:
    """Returns what an error says, without the URLs in it, which may hold secrets."""
    said = getattr(error, "message", None) or str(error) or type(error).__name__
    return re.sub(r"https?://\S+", "", str(said)).strip()[:300]
