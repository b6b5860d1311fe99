"""What a partition of the dataset consists of: files, their names here, their checksums.

Source: the dataset's own script, http://data.yt8m.org/download.py, and
https://research.google.com/youtube8m/download.html.
"""

import hashlib
import itertools
import json
import re
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from yt8m_exp.spec import InputError, UserError
from yt8m_exp.terminal.suggestions import did_you_mean

SPLITS = {
    **{f"1/{kind}": ("train", "validate", "test") for kind in ("video_level", "frame_level")},
    **{f"2/{kind}": ("train", "validate", "test") for kind in ("video", "frame")},
    "3/frame": ("validate", "test"),
}
TABLES = {
    "1/ground_truth_labels": ("train_labels.csv", "validate_labels.csv"),
    "2/ground_truth_labels": ("train_labels.csv", "validate_labels.csv"),
    "2/vocabulary": ("vocabulary.csv",),
    "3/vocabulary": ("vocabulary.csv",),
}
"""Files that lie beside the partitions and have no plan."""
NAMES = [*(f"{kind}/{split}" for kind, splits in SPLITS.items() for split in splits), *TABLES]
SERVER_NAME = re.compile(r"(?P<start>[A-Za-z]\w*?)(?P<index>[A-Za-z0-9]{2})\.tfrecord", re.ASCII)
SERVER_NAME_2017 = re.compile(r"[A-Za-z][\w-]*\.tfrecord", re.ASCII)
MD5 = re.compile(r"[0-9a-f]{32}")
DIGITS = string.ascii_letters + string.digits
INDEX = {"".join(pair): n for n, pair in enumerate(itertools.product(DIGITS, repeat=2))}
SHARE = re.compile(r"(\d+),(\d+)")


@dataclass(frozen=True)
class File:
    """A file to download.

    Attributes:
        name: its name here.
        url: where the server has it.
        md5: 32 hexadecimal digits, None where no plan tells them.
    """

    name: str
    url: str
    md5: str | None


def require(partition: str, more: Iterable[str] = ()) -> None:
    """Refuses a partition that the dataset does not have.

    Args:
        partition: its name.
        more: names of what else can be downloaded.
    """
    known = [*NAMES, *more]
    if partition not in known:
        raise InputError(
            f"`partition` must be one of {', '.join(known)}, but got partition={partition!r}."
            f"{did_you_mean(partition, known)}"
        )


def plan_name(partition: str) -> str:
    """Returns the name under which the dataset's own script keeps the plan of what is left."""
    return f"{partition.replace('/', '_')}_download_plan.json"


def plan_url(server: str, partition: str) -> str:
    """Returns where the server has the plan of a partition."""
    version, kind, split = partition.split("/")
    return f"{server}/{version}/download_plans/{kind}_{split}.json"


def read_plan(text: str | bytes) -> dict[str, str]:
    """Reads a plan: the MD5 of each file by its name on the server.

    Raises:
        UserError: it is no plan.
    """
    try:
        plan = json.loads(text)["files"]
        if all(MD5.fullmatch(md5) for md5 in plan.values()):
            return plan
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    raise UserError('It is no download plan: expected {"files": {name: MD5, ...}}.')


def shards(plan: Mapping[str, str], partition: str, server: str) -> list[File]:
    """Returns the files of a plan in the order of their names here."""
    files = [
        File(local_name(name, partition), f"{server}/{partition}/{name}", md5)
        for name, md5 in plan.items()
    ]
    return sorted(files, key=lambda file: file.name)


def tables(partition: str, files: str, pages: str) -> list[File]:
    """Returns the files beside the partitions.

    Args:
        partition: one of `TABLES`.
        files: the server of labels.
        pages: the server of vocabularies.
    """
    version, kind = partition.split("/")
    if kind == "vocabulary":
        start = f"{pages}/{'segments' if version == '3' else version}"
    else:
        start = f"{files}/{partition}"
    return [File(name, f"{start}/{name}", None) for name in TABLES[partition]]


def local_name(name: str, partition: str) -> str:
    """Returns the name here of a file of the server.

    `trainbI.tfrecord` becomes `train0096.tfrecord`: its last two characters number the shards.
    Files of the 2017 release keep their names.

    Raises:
        UserError: no shard has such a name.
    """
    if partition.startswith("1/") and SERVER_NAME_2017.fullmatch(name):
        return name
    found = SERVER_NAME.fullmatch(name)
    if partition.startswith("1/") or not found:
        raise UserError(f"The plan of {partition} names {name!r}, which is no name of a shard.")
    return f"{found['start']}{INDEX[found['index']]:04}.tfrecord"


def share(names: Iterable[str], m: int, n: int) -> set[str]:
    """Returns part m of n of the names on the server, by their MD5."""
    return {name for name in names if int(hashlib.md5(name.encode()).hexdigest(), 16) % n == m - 1}


def parse_share(text: str) -> tuple[int, int]:
    """Reads `m,n`.

    Raises:
        InputError: it is something else, or there is no part m of n.
    """
    found = SHARE.fullmatch(text.replace(" ", ""))
    m, n = map(int, found.groups()) if found else (0, 0)
    if not 1 <= m <= n:
        raise InputError(
            f"`1 <= m <= n` must hold in shard=m,n, as in shard=1,100, but got {text!r}."
        )
    return m, n
