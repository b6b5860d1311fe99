"""The rows of a request as a batch.

A request is a DataFrame with a column for each feature of the model, or with a column `record` of
serialized `tf.Example`s or, at frame level, `tf.SequenceExample`s. A value of a feature is an array
of floats (D,). At frame level it is an array of bytes (T, D), or a string of these bytes, or the
same string in base64. A column `id` names the rows.
"""

import base64
import binascii

import numpy as np
import pandas as pd

from yt8m_exp.data import ids
from yt8m_exp.data.tfrecords import records, tfrecord, wire
from yt8m_exp.data.videos import FRAMES_STEP, LABEL_PADDING, Batch
from yt8m_exp.spec import InputError

RECORD = "record"


def batch(rows: pd.DataFrame, schema: records.Schema) -> tuple[list[str], Batch]:
    """Turns the rows of a request into ids and a batch.

    Args:
        rows: the request.
        schema: what the model needs.

    Raises:
        InputError: a row does not hold what the model needs; the error names the row and column.
    """
    if RECORD in rows:
        names, features = _from_records(rows[RECORD].tolist(), schema)
    else:
        names = [_name(value, row) for row, value in enumerate(rows.get("id", rows.index))]
        features = _from_columns(rows, schema)
    return names, features | {"labels": np.full((len(names), 1), LABEL_PADDING, np.int32)}


def is_empty(rows: pd.DataFrame, schema: records.Schema) -> bool:
    """Tells whether a request has the columns that it must have, but no row."""
    return rows.empty and (RECORD in rows or schema.features.keys() <= set(rows.columns))


def _from_columns(rows: pd.DataFrame, schema: records.Schema) -> Batch:
    missing = [name for name in schema.features if name not in rows]
    if missing:
        raise InputError(
            f"Expected a column for each of {list(schema.features)}, or `{RECORD}` with serialized "
            f"records, but {missing} are missing."
        )
    if schema.level == "video":
        return {name: _matrix(rows[name], size) for name, size in schema.features.items()}
    videos = {
        name: [_frames(value, size, name, row) for row, value in enumerate(rows[name])]
        for name, size in schema.features.items()
    }
    counts = np.array([[len(video) for video in column] for column in videos.values()])
    for row in np.flatnonzero((counts != counts[0]).any(axis=0)).tolist():
        got = ", ".join(
            f"{count} of `{name}`" for name, count in zip(videos, counts[:, row], strict=True)
        )
        raise InputError(
            f"Row {row}: expected the same number of frames of every feature, but got {got}."
        )
    kept = np.minimum(counts[0], schema.max_frames).astype(np.int32)
    width = max(-(-int(kept.max(initial=0)) // FRAMES_STEP) * FRAMES_STEP, 1)
    padded = {
        name: _padded(column, kept, (width, schema.features[name]))
        for name, column in videos.items()
    }
    return padded | {"frames": kept}


def _from_records(serialized: list[bytes], schema: records.Schema) -> tuple[list[str], Batch]:
    for row, record in enumerate(serialized):
        if not isinstance(record, bytes):
            raise InputError(
                f"Row {row}, column `{RECORD}`: expected the bytes of a serialized record, but got "
                f"{type(record).__name__}."
            )
    lengths = np.array([len(record) for record in serialized], np.int64)
    spans = tfrecord.Spans(np.cumsum(lengths) - lengths, lengths)
    buffer = np.frombuffer(b"".join(serialized) + bytes(wire.PADDING), np.uint8)
    videos, problems = records.decode(buffer, spans, schema)
    if problems:
        raise InputError(f"Row {problems[0].record}, column `{RECORD}`: {problems[0].text}")
    found = videos.batch(np.arange(len(videos.ids)))
    for name in schema.features:
        finite = np.isfinite(found[name]).reshape(len(found[name]), -1).all(axis=1)
        if not finite.all():
            raise InputError(
                f"Row {int(finite.argmin())}, column `{RECORD}`: expected `{name}` of finite "
                "numbers, but it holds NaN or infinity."
            )
    for row, video in enumerate(found["id"]):
        if problem := ids.undecodable(video):
            raise InputError(f"Row {row}, column `{RECORD}`: {problem}")
    return [video.decode() for video in found.pop("id")], found


def _name(value: object, row: int) -> str:
    if not isinstance(value, bytes):
        return str(value)
    if problem := ids.undecodable(value):
        raise InputError(f"Row {row}, column `id`: {problem}")
    return value.decode()


def _matrix(column: pd.Series, size: int) -> np.ndarray:
    matrix = np.empty((len(column), size), np.float32)
    for row, value in enumerate(column):
        try:
            with np.errstate(over="ignore"):  # infinity is refused below
                array = np.asarray(value, np.float32)
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"Row {row}, column `{column.name}`: expected {size} finite numbers, but got "
                f"other values."
            ) from None
        if array.shape != (size,) or not np.isfinite(array).all():
            raise InputError(
                f"Row {row}, column `{column.name}`: expected {size} finite numbers, but got an "
                f"array of shape {array.shape}."
            )
        matrix[row] = array
    return matrix


def _frames(value: object, size: int, name: str, row: int) -> np.ndarray:
    """Returns the frames of a video, uint8 (T, D)."""
    where = f"Row {row}, column `{name}`"
    if isinstance(value, str):
        try:
            value = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise InputError(f"{where}: expected frames in base64, but got other text.") from None
    if isinstance(value, bytes):
        if len(value) % size:
            raise InputError(
                f"{where}: expected frames of {size} bytes, but got {len(value)} bytes in all."
            )
        return np.frombuffer(value, np.uint8).reshape(-1, size)
    try:
        array = np.asarray(value if len(value) else np.empty((0, size)), np.float64)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InputError(f"{where}: expected rows of {size} bytes, but got another type.") from None
    if array.ndim != 2 or array.shape[1] != size:
        raise InputError(f"{where}: expected an array (T, {size}), but got {array.shape}.")
    if not ((array >= 0) & (array <= 255) & (array == np.floor(array))).all():
        raise InputError(
            f"{where}: expected whole numbers in [0, 255], the bytes of the dataset, but got "
            f"others. Dequantised frames are not what the model takes."
        )
    return array.astype(np.uint8)


def _padded(videos: list[np.ndarray], counts: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    padded = np.zeros((len(videos), *shape), np.uint8)  # (B, T, D)
    for row, (video, count) in enumerate(zip(videos, counts.tolist(), strict=True)):
        padded[row, :count] = video[:count]
    return padded
