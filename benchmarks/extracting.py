"""How fast are videos described, against decoding alone and the networks alone?

    python -m benchmarks.extracting [video]
    python -m benchmarks.extracting memory 3

The networks have random weights, which take as long as the published ones. Without a video, one of
a minute is made, 1280 x 720 at 25 frames a second, of noise that moves. `memory` tells the peak of
a process that samples and hears a video of a minute, and one of so many hours, without networks.
"""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from yt8m_exp.videos.networks import mel
from yt8m_exp.videos.networks.resizing import SIZE, resized
from yt8m_exp.videos.reading import files, pictures, sound

BATCH = 16


def main() -> None:
    """Prints the tables."""
    words = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        if words[:1] == ["memory"]:
            _print_memory(Path(folder, "a.mp4"), [1, *(float(word) * 60 for word in words[1:])])
        else:
            _print_speed(
                Path(words[0]) if words else _video(Path(folder, "a.mp4"), 60, 25, (720, 1280))
            )


def _print_memory(path: Path, minutes: Sequence[float]) -> None:
    for each in minutes:
        video = _video(path, round(each * 60), 2, (64, 96))
        print(f"{each:8.0f} minutes: peak memory {_peak(video) / 1024:,.0f} MiB")


def _print_speed(path: Path) -> None:
    import keras

    from yt8m_exp.videos import extraction
    from yt8m_exp.videos.networks import extractor, inception, vggish, whitening

    keras.utils.set_random_seed(0)
    see, hear = inception.build(), vggish.build()
    project = whitening.Whitening(np.float32(0), np.eye(2048, 1024, dtype=np.float32))  # type: ignore[arg-type]
    rest = whitening.Whitening(np.float32(0), np.eye(128, dtype=np.float32))  # type: ignore[arg-type]
    networks = extractor.Extractor(extractor.compiled(see), project, extractor.compiled(hear), rest)
    squares = np.zeros((BATCH, SIZE, SIZE, 3), np.float32)
    patches = np.zeros((BATCH, mel.PATCH, mel.BANDS), np.float32)
    networks.rgb(squares), networks.audio(patches)  # traced
    seconds = sum(1 for _ in pictures.each_second(path, 10**6))
    batches = -(-seconds // BATCH)
    works: dict[str, Callable[[], Any]] = {
        "decoding alone": lambda: _decode(path),
        "pictures at each second, resized": lambda: list(map(len, _squares(path))),
        "sound to patches": lambda: [
            mel.patches(piece) for piece in sound.pieces(path, seconds, BATCH)
        ],
        "Inception alone": lambda: [networks.see(squares) for _ in range(batches)],
        "VGGish alone": lambda: [networks.hear(patches) for _ in range(batches)],
        "all": lambda: extraction.features(path, networks, 10**6),
    }
    print(f"{path.name}: {seconds} seconds")
    for name, work in works.items():
        began, cpu = time.perf_counter(), time.process_time()
        work()
        spent = time.perf_counter() - began
        print(
            f"{name:36}{spent:8.2f} s{time.process_time() - cpu:8.2f} CPU s"
            f"{seconds / spent:8.1f} seconds of video a second"
        )


def _decode(path: Path) -> int:
    with files.opened(path) as container:
        stream = files.pictures(container)
        stream.thread_type = "AUTO"
        return sum(1 for _ in files.decoded(container, stream))


def _squares(path: Path) -> Iterator[np.ndarray]:
    return map(resized, pictures.each_second(path, 10**6))


def _peak(path: Path) -> int:
    """Returns the peak memory in KiB of a process that samples and hears a video."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_sample, (path,))


def _sample(path: Path) -> int:
    seconds = sum(1 for _ in _squares(path))
    for piece in sound.pieces(path, seconds, BATCH):
        mel.patches(piece)
    status = Path("/proc/self/status").read_text()  # `ru_maxrss` begins with the parent's
    return int(status.partition("VmHWM:")[2].split()[0])


def _video(path: Path, seconds: int, rate: int, size: tuple[int, int]) -> Path:
    import av

    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        track = container.add_stream("aac", rate=44_100, layout="mono")
        for number in range(seconds * rate):
            shifted = np.roll(noise, 8 * number, axis=1)
            frame = av.VideoFrame.from_ndarray(shifted, format="rgb24")
            container.mux(stream.encode(frame))
            if number % rate == 0:
                wave = np.sin(np.arange(44_100) * 0.06).astype(np.float32)[None]
                part = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                part.sample_rate, part.pts = 44_100, number // rate * 44_100
                part.time_base = Fraction(1, 44_100)
                container.mux(track.encode(part))
        container.mux(stream.encode(None))
        container.mux(track.encode(None))
    return path


if __name__ == "__main__":
    main()
