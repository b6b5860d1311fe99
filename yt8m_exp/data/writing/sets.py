"""Sets of shards: which videos are in which, and in what order."""

import hashlib
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from yt8m_exp.data.tfrecords import tfrecord

SPLITS = ("train", "validate")
_SPACE = 1 << 64


def split_of(video_id: str, validate_share: float) -> str:
    """Returns the split of a video, which depends on its id alone.

    More videos, other labels or another seed move no video from one split to the other.

    Args:
        video_id: its id.
        validate_share: how much of all videos goes to `validate`, in [0, 1].
    """
    return SPLITS[_number("split", video_id) < validate_share * _SPACE]


def write(
    folder: Path,
    videos: Iterable[str],
    serialize: Callable[[str], bytes],
    *,
    split: str,
    shard_videos: int,
    seed: int,
) -> list[Path]:
    """Writes the shards of a split in place of those that were there.

    Args:
        folder: where they go; it is replaced as a whole.
        videos: ids, in any order: the same ids make the same files.
        serialize: returns the record of an id. One record is held at a time.
        split: begins the shards' names: train0000.tfrecord.
        shard_videos: the most videos of a shard.
        seed: of the order of the videos.

    Returns:
        The shards; none without videos.
    """
    made = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    names = []
    for number, part in enumerate(_parts(videos, shard_videos, seed)):
        names.append(f"{split}{number:04}.tfrecord")
        tfrecord.write(made / names[-1], map(serialize, part))
    shutil.rmtree(folder, ignore_errors=True)
    made.rename(folder)
    return [folder / name for name in names]


def _parts(videos: Iterable[str], shard_videos: int, seed: int) -> list[Sequence[str]]:
    """Shuffles videos, and deals them out to shards of about the same size."""
    shuffled = sorted(videos, key=lambda video: (_number(f"order {seed}", video), video))
    shards = -(-len(shuffled) // shard_videos)
    return [shuffled[shard::shards] for shard in range(shards)]


def _number(purpose: str, video_id: str) -> int:
    digest = hashlib.blake2b(video_id.encode(), digest_size=8, person=purpose.encode()[:16])
    return int.from_bytes(digest.digest(), "big")
