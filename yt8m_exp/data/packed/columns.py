"""Videos as columns of numbers, which a file can hold, and back."""

from collections.abc import Mapping, Sequence

import numpy as np

from yt8m_exp.data.packed.stored import Precision, Stored, store
from yt8m_exp.data.videos import Frames, Videos

Columns = dict[str, np.ndarray]
Spans = Mapping[str, tuple[int, int]]
"""Where the items of a shard lie in each column."""
TABLE, SCALES, FRAMES = "/table", "/scales", "/frames"
"""End the names of the columns of a feature."""


def of(videos: Videos, precision: Precision) -> Columns:
    """Returns videos as columns.

    Args:
        videos: what shards hold.
        precision: how features that are floats are stored; frames stay bytes.
    """
    ids = videos.ids.tolist()
    columns: Columns = {
        "id_bytes": np.array(list(map(len, ids)), np.int32),
        "ids": np.frombuffer(b"".join(ids), np.uint8),
        "labels": videos.labels,
        "labels_of_video": np.diff(videos.splits).astype(np.int32),
        "labelled": videos.labelled,
        "records": videos.records.astype(np.int32),
    }
    if videos.present is not None:
        columns["present"] = videos.present
    if videos.frames is not None:
        columns["frames"] = videos.frames
    for name, feature in videos.features.items():
        if isinstance(feature, Frames):
            columns[f"{name}{FRAMES}"] = feature.joined(columns["frames"])
        elif isinstance(feature, np.ndarray):
            stored = store(np.ascontiguousarray(feature), precision)
            columns[f"{name}{TABLE}"] = stored.table
            if stored.scales is not None:
                columns[f"{name}{SCALES}"] = stored.scales
    return columns


def videos(columns: Columns, spans: Sequence[Spans], most_frames: int) -> Videos:
    """Returns the videos of some shards; their features stay where the columns are.

    Args:
        columns: of all shards.
        spans: of each of the shards.
        most_frames: see `Videos`.
    """

    def joined(name: str) -> np.ndarray:
        return np.concatenate([columns[name][slice(*span[name])] for span in spans])

    frames = joined("frames") if "frames" in columns else None
    features: dict[str, Frames | Stored] = {}
    for column in columns:
        if column.endswith(TABLE):
            name = column.removesuffix(TABLE)
            places = np.concatenate([np.arange(*span[column]) for span in spans])
            features[name] = Stored(columns[column], places, columns.get(f"{name}{SCALES}"))
        elif column.endswith(FRAMES):
            features[column.removesuffix(FRAMES)] = _frames(columns, spans, column)
    return Videos(
        ids=_ids(joined("ids"), joined("id_bytes")),
        features=features,
        labels=joined("labels"),
        splits=np.concatenate([[0], np.cumsum(joined("labels_of_video"))]),
        labelled=joined("labelled"),
        records=joined("records").astype(np.int64),
        frames=frames,
        most_frames=most_frames,
        present=joined("present") if "present" in columns else None,
    )


def _ids(joined: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    ends = np.cumsum(lengths).tolist()
    whole = joined.tobytes()
    ids = np.empty(len(lengths), object)
    ids[:] = [whole[a:b] for a, b in zip([0, *ends], ends, strict=False)]
    return ids


def _frames(columns: Columns, spans: Sequence[Spans], column: str) -> Frames:
    table = columns[column]  # (F, D) of all videos
    starts = []
    for span in spans:
        counts = columns["frames"][slice(*span["frames"])]
        starts.append(span[column][0] + np.cumsum(counts) - counts)
    first, size = np.concatenate(starts), table.shape[1]
    return Frames(table.reshape(-1), first * size, np.full(len(first), size), size)
