"""Videos as serialized records, with the keys and types of the release.

Source: https://research.google.com/youtube8m/download.html.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from yt8m_exp import spec
from yt8m_exp.data.tfrecords.messages import Example, SequenceExample
from yt8m_exp.spec import InputError


class Rating(NamedTuple):
    """What raters said of a class in five seconds of a video.

    Attributes:
        start: the first second.
        class_id: the class.
        score: 1 if the class is there, or else 0.
    """

    start: int
    class_id: int
    score: float


def video(video_id: str, features: Mapping[str, np.ndarray], labels: Iterable[int] | None) -> bytes:
    """Returns a video-level record.

    Args:
        video_id: its id.
        features: float32 (D,) by name, as `mean_rgb`.
        labels: class ids; None leaves the key out, as in the test split.
    """
    record = Example()
    _describe(record.features, video_id, labels)
    for name, values in features.items():
        if values.ndim != 1 or not np.isfinite(values).all():
            raise InputError(f"`{name}` must be a row of finite numbers, but is {values.shape}.")
        record.features.feature[name].float_list.value.extend(values.astype(np.float32).tolist())
    return record.SerializeToString(deterministic=True)


def frames(
    video_id: str,
    features: Mapping[str, np.ndarray],
    labels: Iterable[int] | None,
    ratings: Sequence[Rating] = (),
) -> bytes:
    """Returns a frame-level record, with rated segments if there are any.

    Args:
        video_id: its id.
        features: uint8 (T, D) by name, a row for each second.
        labels: class ids; None leaves the key out.
        ratings: of segments, as in the release of 2019.
    """
    record = SequenceExample()
    _describe(record.context, video_id, labels)
    _rate(record.context, ratings)
    lengths = {name: len(rows) for name, rows in features.items()}
    if len(set(lengths.values())) > 1:
        raise InputError(f"All features of a video must have as many frames, but got {lengths}.")
    for name, rows in features.items():
        if rows.ndim != 2 or rows.dtype != np.uint8:
            raise InputError(f"`{name}` must be uint8 (T, D), but is {rows.dtype} {rows.shape}.")
        steps = record.feature_lists.feature_list[name]
        for row in rows:
            steps.feature.add().bytes_list.value.append(row.tobytes())
    return record.SerializeToString(deterministic=True)


def _describe(features: Any, video_id: str, labels: Iterable[int] | None) -> None:
    features.feature["id"].bytes_list.value.append(video_id.encode())
    if labels is not None:
        features.feature["labels"].int64_list.value.extend(sorted(labels))


def _rate(features: Any, ratings: Sequence[Rating]) -> None:
    for rating in ratings:
        for name, value in (
            ("segment_start_times", rating.start),
            ("segment_end_times", rating.start + spec.SEGMENT_FRAMES),
            ("segment_labels", rating.class_id),
        ):
            features.feature[name].int64_list.value.append(value)
        features.feature["segment_scores"].float_list.value.append(rating.score)
