"""Which frames of a video a model looks at."""

from typing import Literal, get_args

import keras
from keras import ops

Sampling = Literal["random", "run", "stride", "none"]


def random_frames(uniforms: keras.KerasTensor, frames: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the places (B, S) of frames drawn with replacement.

    Source: SampleRandomFrames of google/youtube-8m, model_utils.py.

    Args:
        uniforms: numbers (B, S) in [0, 1).
        frames: frames of each video, int32 (B,).
    """
    length = ops.cast(frames[:, None], "float32")
    return ops.cast(uniforms * length, "int32")


def random_run(
    uniforms: keras.KerasTensor, frames: keras.KerasTensor, samples: int
) -> keras.KerasTensor:
    """Returns the places (B, S) of frames that follow each other.

    A shorter video is seen whole, its last frame again and again.
    Source: SampleRandomSequence of google/youtube-8m, model_utils.py.

    Args:
        uniforms: numbers (B, 1) in [0, 1) that say where a run starts.
        frames: frames of each video, int32 (B,).
        samples: S.
    """
    starts = ops.cast(ops.maximum(frames[:, None] - samples, 0) + 1, "float32")
    places = ops.cast(uniforms * starts, "int32") + ops.arange(samples)
    return ops.clip(places, 0, ops.maximum(frames[:, None] - 1, 0))


def even_stride(frames: keras.KerasTensor, samples: int) -> keras.KerasTensor:
    """Returns the places (B, S) of the frames in the middle of S equal parts of a video.

    Args:
        frames: frames of each video, int32 (B,).
        samples: S.
    """
    return (2 * ops.arange(samples) + 1) * frames[:, None] // (2 * samples)


@keras.saving.register_keras_serializable("yt8m_exp")
class Choose(keras.layers.Layer):
    """Chooses frames: a sample in training, evenly spaced ones otherwise, or all.

    Args:
        sampling: in training, `random` draws frames with replacement, `run` frames that follow each
            other, `stride` takes evenly spaced ones; all three take evenly spaced ones in
            inference, where chance has no place. `none` takes all frames there as here.
        samples: S, how many frames are taken of a video, some of them twice where it has fewer.
        max_frames: the frames after this one are cut off before anything else.

    Raises:
        ValueError: an argument is out of its range.
    """

    def __init__(self, sampling: Sampling, samples: int, max_frames: int, **layer) -> None:
        super().__init__(**layer)
        if sampling not in get_args(Sampling):
            raise ValueError(
                f"`sampling` must be random, run, stride or none, but got {sampling!r}."
            )
        if samples < 1 or max_frames < 1:
            raise ValueError(
                "`samples >= 1` and `max_frames >= 1` must hold, but got "
                f"samples={samples}, max_frames={max_frames}."
            )
        self.sampling = sampling
        self.samples = samples
        self.max_frames = max_frames
        if sampling in ("random", "run"):
            self.seed_generator = keras.random.SeedGenerator(name="chosen_seed")

    def call(self, parts, frames, training=False):
        frames = ops.minimum(frames, self.max_frames)
        if self.sampling == "none":
            return [part[:, : self.max_frames] for part in parts], frames
        places = self._places(frames, training)
        frames = ops.where(frames > 0, self.samples, 0)
        return [_rows(part, places) for part in parts], frames

    def _places(self, frames, training):
        if training and self.sampling == "random":
            return random_frames(self._uniforms(frames, self.samples), frames)
        if training and self.sampling == "run":
            return random_run(self._uniforms(frames, 1), frames, self.samples)
        return even_stride(frames, self.samples)

    def _uniforms(self, frames, count):
        return keras.random.uniform((ops.shape(frames)[0], count), seed=self.seed_generator)

    def compute_output_spec(self, parts, frames, training=False):
        length = None if self.sampling == "none" else self.samples
        shapes = [(part.shape[0], length, part.shape[2]) for part in parts]
        kept = [keras.KerasTensor(shape, dtype="uint8") for shape in shapes]
        return kept, keras.KerasTensor(frames.shape, dtype="int32")

    def get_config(self):
        return super().get_config() | {
            "sampling": self.sampling,
            "samples": self.samples,
            "max_frames": self.max_frames,
        }


def _rows(x, places):
    """Returns the rows (B, S, D) of x (B, T, D) at places (B, S)."""
    videos, length, size = ops.shape(x)
    flat = ops.reshape(x, (-1, size))
    return ops.take(flat, places + length * ops.arange(videos)[:, None], axis=0)
