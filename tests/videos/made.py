"""Video files made by PyAV, each frame of which shows its number."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

CLOCK = Fraction(1, 90_000)
HEIGHT, WIDTH = 64, 96
BITS = 8
RATE = 44_100
Picture = Callable[[int], np.ndarray]


def numbered(number: int) -> np.ndarray:
    """A frame with its number in columns of black and white, the lowest bit first.

    Its upper quarter is red, which tells how it is turned.
    """
    bits = [255 * (number >> bit & 1) for bit in range(BITS)]
    row = np.repeat(np.array(bits, np.uint8), WIDTH // BITS)
    picture = np.repeat(np.tile(row, (HEIGHT, 1))[..., None], 3, axis=2)
    picture[: HEIGHT // 4] = 255, 0, 0
    return picture


def number_of(picture: np.ndarray) -> int:
    """Reads the number of a frame."""
    height, width = picture.shape[:2]
    columns = picture[height * 3 // 5].reshape(BITS, width // BITS, 3).mean(axis=(1, 2))
    return sum(1 << bit for bit, level in enumerate(columns) if level > 127)


def is_upright(picture: np.ndarray) -> bool:
    red, green, _ = picture[picture.shape[0] // 8].mean(axis=0)
    return red > 200 and green < 60


def times(frames: int, rate: Fraction | int) -> list[Fraction]:
    return [Fraction(number) / rate for number in range(frames)]


def tone(seconds: float, hertz: float = 440.0, channels: int = 1) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.tile(wave.astype(np.float32), (channels, 1))


def video(
    path: Path,
    shown: Sequence[Fraction],
    picture: Picture = numbered,
    *,
    codec: str = "libx264",
    sound: np.ndarray | None = None,
    sound_codec: str = "aac",
    sound_start: float = 0.0,
    rotation: int = 0,
    form: str = "yuv420p",
    **options: str,
) -> Path:
    """Writes a video whose frames are shown at these times."""
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width = picture(0).shape[:2]
        stream.pix_fmt, stream.time_base, stream.codec_context.time_base = form, CLOCK, CLOCK
        if rotation:
            stream.set_display_rotation(rotation)
        track = None
        if sound is not None:
            layout = "mono" if len(sound) == 1 else "stereo"
            rate = 48_000 if sound_codec == "libopus" else RATE
            track = container.add_stream(sound_codec, rate=rate, layout=layout)
        for number, time in enumerate(shown):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = int(time / CLOCK), CLOCK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if track is not None:
            write_sound(container, track, sound, sound_start)
    return path


def write_sound(container, track, sound: np.ndarray, start: float) -> None:
    layout = "mono" if len(sound) == 1 else "stereo"
    resampler = av.AudioResampler(
        track.codec_context.format, layout, track.codec_context.sample_rate,
        frame_size=track.codec_context.frame_size or 1024,
    )  # fmt: skip
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound), format="fltp", layout=layout)
    frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
    frame.pts = round(start * RATE)
    for part in (frame, None):
        for piece in resampler.resample(part):
            container.mux(track.encode(piece))
    container.mux(track.encode(None))
