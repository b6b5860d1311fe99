"""Videos of three classes: a shape that moves, and a tone."""

from fractions import Fraction
from pathlib import Path

import numpy as np

from tests.videos import made

CLASSES = {
    "ball": ((230, 40, 30), 300),
    "bar": ((40, 200, 60), 900),
    "stripes": ((30, 60, 220), 2700),
}
HEIGHT, WIDTH, RATE = 96, 128, 5


def picture(name: str, number: int, rng: np.random.Generator) -> np.ndarray:
    colour, _ = CLASSES[name]
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    x, y = (20 + 6 * number) % WIDTH, HEIGHT // 2
    inside = {
        "ball": (columns - x) ** 2 + (rows - y) ** 2 < 900,
        "bar": abs(columns - x) < 16,
        "stripes": (columns + rows + 4 * number) // 12 % 2 == 0,
    }[name]
    noise = rng.integers(0, 60, (HEIGHT, WIDTH, 3))
    return np.where(inside[..., None], np.array(colour), noise).astype(np.uint8)


def write(folder: Path, each: int, seconds: int = 2) -> Path:
    """Writes videos, and their table."""
    lines = ["path,labels"]
    for place, (name, (_, hertz)) in enumerate(CLASSES.items()):
        for number in range(each):
            rng = np.random.default_rng([place, number])
            path = folder / f"{name}-{number}.mp4"
            tone = made.tone(seconds, hertz * rng.uniform(0.95, 1.05))
            start = int(rng.integers(0, 20))
            made.video(
                path,
                made.times(seconds * RATE, Fraction(RATE)),
                lambda at, name=name, rng=rng, start=start: picture(name, at + start, rng),
                sound=tone,
            )
            lines.append(f"{path.name},{name}")
    (folder / "videos.csv").write_text("\n".join(lines) + "\n")
    return folder / "videos.csv"
