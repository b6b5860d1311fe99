"""Shards of the release's sizes, made up for tests of the doctor."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import example, floats, integers, lists, rows, text
from yt8m_exp import spec
from yt8m_exp.data.doctor import examination
from yt8m_exp.data.doctor.examination import Examination
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.stores import local
from yt8m_exp.stores.objects import Object

RELEASE = Path(__file__).parents[3].parent / "shared" / "data"


def released(name: str) -> Path:
    """Returns a file of the release that lies beside the checkout."""
    if not RELEASE.is_dir():
        pytest.skip("The shards of the release are not beside the checkout.")
    return RELEASE / name


def values(seed: int, size: int) -> np.ndarray:
    return np.random.default_rng([seed, size]).uniform(-1, 1, size).astype(np.float32)


def video(number: int = 0, **other: bytes | None) -> bytes:
    """A video of 2018; `other` features replace its own, None leaves one out."""
    features = {
        "id": text(f"v{number:03d}".encode()),
        "labels": integers(number % 20, 7),
        "mean_rgb": floats(values(number, spec.RGB).tolist()),
        "mean_audio": floats(values(number, spec.AUDIO).tolist()),
    }
    return example(**{key: value for key, value in (features | other).items() if value is not None})


def pixels(number: int, frames: int, size: int) -> np.ndarray:
    return np.random.default_rng([number, size]).integers(0, 256, (frames, size), np.uint8)


def frames(number: int = 0, count: int = 3, **context: bytes) -> bytes:
    """A frame-level video of 2018, with more of a context if it is given."""
    features = {"id": text(f"v{number:03d}".encode()), "labels": integers(number % 20)}
    sizes = {"rgb": spec.RGB, "audio": spec.AUDIO}
    named = {n: rows(row.tobytes() for row in pixels(number, count, s)) for n, s in sizes.items()}
    return example(**features | context) + lists(**named)


def examined(path: Path, *records: bytes) -> Examination:
    tfrecord.write(path, records)
    return examine(path)


def examine(path: Path) -> Examination:
    return examination.examine(listed(path))


def listed(path: Path) -> Object:
    found = local.LocalDisk().stat(str(path))
    assert found
    return found


def problems(found: Examination) -> dict[str, list[int]]:
    """Returns the numbers of the records with a problem, by its kind."""
    return {finding.kind: finding.records.tolist() for finding in found.findings}
