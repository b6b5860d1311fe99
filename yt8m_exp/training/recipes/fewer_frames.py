"""Fewer frames of a video in training: a half of it, or all but some that are left out at random.

Source of the halves: "You8M" in the Kaggle competition of 2017, which trained on first half, second
half and whole of each video.
"""

import tensorflow as tf

from yt8m_exp.models import devices
from yt8m_exp.training.recipes.chance import Chance
from yt8m_exp.training.recipes.changes import Change, Tensors


def fewer_frames(half_video: float, frame_dropout: float, chance: Chance) -> Change:
    """Returns what shortens the videos of a batch of frames.

    Args:
        half_video: the chance that of a video only its first or its second half is left.
        frame_dropout: the chance of each frame to be left out; one frame is always left.
        chance: draws what is left.
    """

    def shorten(features: Tensors, known: Tensors) -> tuple[Tensors, Tensors]:
        frames = features["frames"]
        size = tf.shape(frames)[0]
        start, count = halves(frames, half_video, chance.uniform(tf.stack([size, 2])))
        with devices.of_bytes():
            length = tf.shape(next(x for name, x in features.items() if name != "frames"))[1]
        uniforms = chance.of(chance.purpose + 1).uniform(tf.stack([size, length]))
        places, count = kept(start, count, frame_dropout, uniforms)
        with devices.of_bytes():
            named = {
                name: tf.gather(x, places, batch_dims=1)
                for name, x in features.items()
                if name != "frames"
            }
        return {**features, **named, "frames": count}, known

    return shorten


def halves(
    frames: tf.Tensor, half_video: float, uniforms: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns where what is left of each video starts, and how many frames it has.

    Args:
        frames: of each video, int32 (B,).
        half_video: see `fewer_frames`.
        uniforms: (B, 2): whether a half is left, and which.
    """
    half = (frames + 1) // 2
    is_half, is_second = uniforms[:, 0] < half_video, uniforms[:, 1] < 0.5
    start = tf.where(is_half & is_second, frames - half, 0)
    return start, tf.where(is_half, half, frames)


def kept(
    start: tf.Tensor, count: tf.Tensor, frame_dropout: float, uniforms: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the places (B, T) of the frames that are left, in order, and their numbers (B,).

    Args:
        start: where what is left of each video starts, int32 (B,).
        count: how many frames it has, int32 (B,).
        frame_dropout: see `fewer_frames`.
        uniforms: (B, T); a frame is left out if its number is below `frame_dropout`.
    """
    places = tf.range(tf.shape(uniforms)[1])[None]
    inside = places < count[:, None]
    chances = tf.where(inside, uniforms, -1.0)
    luckiest = tf.argmax(chances, axis=1, output_type=tf.int32)[:, None]
    left = inside & ((uniforms >= frame_dropout) | (places == luckiest))
    order = tf.argsort(tf.cast(left, tf.int32), axis=1, direction="DESCENDING", stable=True)
    last = tf.shape(uniforms)[1] - 1
    return tf.minimum(start[:, None] + order, last), tf.reduce_sum(tf.cast(left, tf.int32), axis=1)
