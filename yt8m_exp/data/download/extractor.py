"""The published networks that features are computed with: files of three servers, without a plan.

Sources: https://github.com/google/youtube-8m/tree/master/feature_extractor and
https://github.com/tensorflow/models/tree/master/research/audioset/vggish.
"""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from yt8m_exp.data.download.partitions import MD5, File

NAME = "extractor"
"""The partition."""
RECORD = "extractor.md5"
"""Digests by file in the folder, as `md5sum --check` reads them."""
FILES = {
    "inception-2015-12-05.tgz": ("inception", None),
    "yt8m_pca.tgz": ("plans", None),
    "vggish_model.ckpt": ("audioset", "d1c7011e6366aa34176bb05c705e31a8"),
    "vggish_pca_params.npz": ("audioset", "c80cae691033abe7c7ecd11ea39fc834"),
}
"""The server of each file, and its MD5 where one is known."""

logger = logging.getLogger(__name__)


def files(servers: Mapping[str, str], folder: Path) -> list[File]:
    """Returns the files to have.

    A file without a known digest must be what it was when it was first fetched into this folder.

    Args:
        servers: addresses by name, as in `conf/download.yaml`.
        folder: where they go.
    """
    before = _recorded(folder)
    return [
        File(name, f"{servers[server]}/{name}", md5 or before.get(name))
        for name, (server, md5) in FILES.items()
    ]


def record(folder: Path, fetched: Sequence[File]) -> None:
    """Notes the digests of files that had none, and says that nothing vouches for them."""
    new = [file for file in fetched if file.md5 is None and (folder / file.name).exists()]
    if not new:
        return
    noted = [replace(file, md5=_md5(folder / file.name)) for file in new]
    with (folder / RECORD).open("a", encoding="utf-8") as lines:
        lines.writelines(f"{file.md5}  {file.name}\n" for file in noted)
    for file in noted:
        logger.info(
            "No digest of %s is published. It came as %s, which %s keeps: another file of this "
            "name will be refused.",
            *(file.name, file.md5, folder / RECORD),
        )


def _recorded(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
    parts = [line.split(maxsplit=1) for line in lines]
    return {part[1]: part[0] for part in parts if len(part) == 2 and MD5.fullmatch(part[0])}


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
