"""A model as a TensorFlow SavedModel, with the signatures of the starter code and of MediaPipe.

Source of the signatures: google/youtube-8m, `export_model.py` and `export_model_mediapipe.py`.
"""

from collections.abc import Mapping
from pathlib import Path

import keras
import tensorflow as tf

from yt8m_exp import spec
from yt8m_exp.data.ids import ID_KEYS
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.serving import whole_folder
from yt8m_exp.spec import InputError, OutsideError, UserError

GRAPH = "saved_model.pb"
FORMS = ("starter_code", "mediapipe")


def export(model: keras.Model, schema: Schema, folder: str | Path, *, form: str) -> None:
    """Writes a model as a SavedModel with one signature, `serving_default`.

    `starter_code` takes `example_bytes`, serialized `tf.Example`s or at frame level
    `tf.SequenceExample`s, string (B,), and gives `video_id`, string (B,), `class_indexes`, int32
    (B, 20), and `predictions`, float32 (B, 20), falling.

    `mediapipe` takes `rgb_and_audio`, float32 (B, T, D), dequantised frames, rgb before audio, and
    `num_frames`, int32 (B, 1), and gives `predictions` of all classes, float32 (B, C). Models take
    bytes, so each value is rounded to the nearest value that a byte can represent.

    Args:
        model: from named features to probabilities.
        schema: what its records hold.
        folder: the folder to write to, local or gs://, which must be empty or not exist. The graph
            gets there last: without `saved_model.pb`, it holds no model.
        form: one of `FORMS`.

    Raises:
        InputError: there is no such form, the folder is not empty, or the form `mediapipe` is
            asked of a video-level model.
        OutsideError: the disk is full, or the folder was removed meanwhile.
    """
    folder = str(folder)
    if form not in FORMS:
        raise InputError(f"`form` must be one of {', '.join(FORMS)}, but got {form!r}.")
    whole_folder.require_empty(folder)
    if form == "mediapipe" and schema.level == "video":
        raise InputError(
            "MediaPipe gives frames, but this is a video-level model: it takes "
            f"{', '.join(schema.features)}. Export a frame-level model."
        )
    module = tf.Module()
    module.model = model  # so that its variables are saved
    make = _starter_code if form == "starter_code" else _mediapipe
    signatures = make(model, schema)
    try:
        with whole_folder.written(folder, last=GRAPH) as made:
            tf.saved_model.save(module, made, signatures=signatures)
    except UserError:
        raise
    except (tf.errors.OpError, FileNotFoundError) as error:
        reason = str(error).partition("\n")[0].rpartition("; ")[2]
        raise OutsideError(f"The model cannot be written to {folder}: {reason}") from error


def _starter_code(model: keras.Model, schema: Schema) -> tf.types.experimental.GenericFunction:
    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="example_bytes")], autograph=False
    )
    def serve(example_bytes):
        ids, batch = (_examples if schema.level == "video" else _sequences)(example_bytes, schema)
        k = min(spec.TOP_K, schema.classes)
        scores, class_ids = tf.math.top_k(model(batch, training=False), k)
        return {"video_id": ids, "class_indexes": class_ids, "predictions": scores}

    return serve


def _mediapipe(model: keras.Model, schema: Schema) -> tf.types.experimental.GenericFunction:
    ordered = sorted(schema.features.items(), reverse=True)  # rgb, audio
    width = sum(schema.features.values())

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, width], tf.float32, name="rgb_and_audio"),
            tf.TensorSpec([None, 1], tf.int32, name="num_frames"),
        ],
        autograph=False,
    )
    def serve(rgb_and_audio, num_frames):
        levels = tf.round((rgb_and_audio - spec.BYTE_OFFSET) / spec.BYTE_SCALE)
        values = tf.cast(tf.clip_by_value(levels, 0, 255), tf.uint8)
        parts = tf.split(values, [size for _, size in ordered], axis=-1)
        batch = {name: part for (name, _), part in zip(ordered, parts, strict=True)}
        return {"predictions": model(batch | {"frames": num_frames[:, 0]}, training=False)}

    return serve


def _examples(serialized: tf.Tensor, schema: Schema) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    wanted = {key: tf.io.FixedLenFeature([], tf.string, "") for key in ID_KEYS} | {
        name: tf.io.FixedLenFeature([size], tf.float32) for name, size in schema.features.items()
    }
    parsed = tf.io.parse_example(serialized, wanted)
    return _ids(parsed), {name: parsed[name] for name in schema.features}


def _sequences(serialized: tf.Tensor, schema: Schema) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
    context, lists, lengths = tf.io.parse_sequence_example(
        serialized,
        context_features={key: tf.io.FixedLenFeature([], tf.string, "") for key in ID_KEYS},
        sequence_features={
            name: tf.io.FixedLenSequenceFeature([], tf.string) for name in schema.features
        },
    )
    counts = [tf.cast(lengths[name], tf.int32) for name in schema.features]
    for count in counts[1:]:
        tf.debugging.assert_equal(count, counts[0], "features must have equal numbers of frames")
    batch = {name: _bytes(lists[name], counts[0], size) for name, size in schema.features.items()}
    return _ids(context), batch | {"frames": tf.minimum(counts[0], schema.max_frames)}


def _bytes(rows: tf.Tensor, counts: tf.Tensor, size: int) -> tf.Tensor:
    """Returns the bytes of frames (B, T), padded with empty strings, as uint8 (B, T, D), T >= 1."""
    inside = tf.sequence_mask(counts, tf.shape(rows)[1])
    sizes = tf.boolean_mask(tf.strings.length(rows), inside)
    tf.debugging.assert_equal(sizes, size, f"a frame must have {size} bytes")
    rows = tf.pad(rows, [[0, 0], [0, tf.cast(tf.shape(rows)[1] == 0, tf.int32)]])
    return tf.io.decode_raw(rows, tf.uint8, fixed_length=size)


def _ids(parsed: Mapping[str, tf.Tensor]) -> tf.Tensor:
    new, old = (parsed[key] for key in ID_KEYS)
    return tf.where(new == "", old, new)
