"""Copies the stored artifacts to a tar on standard output (save), or from standard input (load)."""

import os
import sys
import tarfile
import tempfile

from google.cloud import storage


def main() -> None:
    """Saves or loads, as the command line says."""
    bucket_name, _, prefix = (
        os.environ["MLFLOW_ARTIFACTS_DESTINATION"].removeprefix("gs://").partition("/")
    )
    bucket = storage.Client().bucket(bucket_name)
    if sys.argv[1:] == ["save"]:
        _save(bucket, prefix)
    elif sys.argv[1:] == ["load"]:
        _load(bucket)
    else:
        sys.exit(__doc__)


def _save(bucket: storage.Bucket, prefix: str) -> None:
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        for blob in bucket.list_blobs(prefix=prefix):
            with tempfile.TemporaryFile() as file:
                blob.download_to_file(file, checksum="crc32c")
                member = tarfile.TarInfo(blob.name)
                member.size = file.tell()
                file.seek(0)
                tar.addfile(member, file)


def _load(bucket: storage.Bucket) -> None:
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                bucket.blob(member.name).upload_from_file(file, size=member.size, checksum="crc32c")


if __name__ == "__main__":
    main()
