"""What a model says of a whole video, and of each five seconds of it alone."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from yt8m_exp import spec
from yt8m_exp.serving import requests
from yt8m_exp.serving.tagger import Tagger
from yt8m_exp.spec import InputError

MOMENTS = 3
"""Of a label, the most."""


class Moment(NamedTuple):
    """Five seconds of a video.

    Attributes:
        second: where they begin.
        probability: of the label, if the model sees nothing else.
    """

    second: int
    probability: float


class Label(NamedTuple):
    """A label of a video.

    Attributes:
        class_id: the class.
        name: of it; may be empty.
        probability: that the whole video has it.
        moments: that speak for it most, the first the most.
    """

    class_id: int
    name: str
    probability: float
    moments: list[Moment]


def labels(
    tagger: Tagger, features: Mapping[str, NDArray[np.uint8]], *, top_k: int, threshold: float
) -> list[Label]:
    """Predicts a video.

    Args:
        tagger: the model, at video or frame level.
        features: `rgb` and `audio` of its frames, uint8 (T, D).
        top_k: labels at most.
        threshold: the least probability of a label.

    Raises:
        InputError: the model takes other features.
    """
    frames = len(features["rgb"])
    starts = range(0, frames, spec.SEGMENT_FRAMES)
    spans = [slice(None), *(slice(start, start + spec.SEGMENT_FRAMES) for start in starts)]
    rows = pd.DataFrame([_row(tagger, features, span) for span in spans])
    _, batch = requests.batch(rows, tagger.schema)
    whole, *parts = tagger.predictor(batch)
    order = np.argsort(-whole, kind="stable")[:top_k]
    windows = np.stack(parts)  # (windows, C)
    return [
        Label(int(c), str(tagger.names[c]), float(whole[c]), _moments(windows[:, c]))
        for c in order
        if whole[c] >= threshold
    ]


def _moments(probabilities: NDArray[np.float32]) -> list[Moment]:
    best = np.argsort(-probabilities, kind="stable")[:MOMENTS]
    return [Moment(int(n) * spec.SEGMENT_FRAMES, float(probabilities[n])) for n in best]


def _row(
    tagger: Tagger, features: Mapping[str, NDArray[np.uint8]], span: slice
) -> dict[str, object]:
    """Returns some frames as the model takes them."""
    is_video = tagger.schema.level == "video"
    row: dict[str, object] = {}
    for name, size in tagger.schema.features.items():
        rows = features.get(name.removeprefix("mean_") if is_video else name)
        if rows is None or rows.shape[1] != size:
            raise InputError(
                f"The model takes {size} values of `{name}`, but videos are described by "
                f"{', '.join(f'{key} ({value.shape[1]})' for key, value in features.items())}. "
                "Give another model_uri."
            )
        if is_video:
            row[name] = rows[span].mean(axis=0) * spec.BYTE_SCALE + spec.BYTE_OFFSET
        else:
            row[name] = np.ascontiguousarray(rows[span]).tobytes()
    return row
