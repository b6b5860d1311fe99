"""Made-up ratings of segments over real frames of the sample: no shard of 2019 is public."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.verbs import PROJECT, sample_records, shard

SAMPLE = "sample/frame/validate"
Rating = tuple[int, int, bool]
"""First second, class id, and whether raters saw the class there."""


def frame_records(folder: str = SAMPLE) -> dict[str, bytes]:
    """The sample's serialized videos of a folder by their id."""
    paths = sorted((PROJECT / folder).glob("*.tfrecord"))
    records = [record for path in paths for record in sample_records(str(path))]
    return {video_id(record): record for record in records}


def parsed(record: bytes):
    from tensorflow.core.example.example_pb2 import SequenceExample

    return SequenceExample.FromString(record)


def video_id(record: bytes) -> str:
    return parsed(record).context.feature["id"].bytes_list.value[0].decode()


def rated(record: bytes, ratings: Sequence[Rating]) -> bytes:
    """The video with ratings, laid out as the release of 2019."""
    video = parsed(record)
    starts, classes, present = zip(*ratings, strict=True)
    for key, values in {
        "segment_start_times": starts,
        "segment_end_times": [start + 5 for start in starts],
        "segment_labels": classes,
    }.items():
        video.context.feature[key].int64_list.value.extend(values)
    video.context.feature["segment_scores"].float_list.value.extend(map(float, present))
    return video.SerializeToString(deterministic=True)


def write(path: Path, ratings: Mapping[str, Sequence[Rating]]) -> Path:
    """Writes a shard of the sample's videos with these ratings, and of one more without any."""
    videos = frame_records()
    chosen = [rated(videos[name], theirs) for name, theirs in ratings.items()]
    unrated = next(record for name, record in videos.items() if name not in ratings)
    return shard(path, *chosen, unrated)
