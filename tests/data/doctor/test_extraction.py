from dataclasses import fields, replace

import numpy as np
import pytest

from tests.data.doctor.shards import listed, released
from tests.made_segments import frame_records
from yt8m_exp import spec
from yt8m_exp.data.doctor import examination, extraction, measured, profile
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.data.tfrecords.messages import SequenceExample
from yt8m_exp.data.writing import serialized
from yt8m_exp.videos.networks.whitening import quantised

EIGENVALUES = np.geomspace(14.74, 0.0154, spec.RGB).astype(np.float32)
RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def videos():
    """The sample's frames, dequantised: what a right extraction has before it makes bytes."""
    found = []
    for record in frame_records("sample/frame/train").values():
        lists = SequenceExample.FromString(record).feature_lists.feature_list
        rows = {
            name: np.stack(
                [np.frombuffer(s.bytes_list.value[0], np.uint8) for s in lists[name].feature]
            )
            for name in ("rgb", "audio")
        }
        found.append(
            {n: r * np.float32(4 / 255) + np.float32(4 / 512 - 2) for n, r in rows.items()}
        )
    return found


def profiles_of(videos, path):
    records = [serialized.frames(f"v{n}", rows, [1]) for n, rows in enumerate(videos)]
    tfrecord.write(path, records)
    return examination.examine(listed(path), profiled=True).profiles


def off(videos, path):
    steps = extraction.measure(profiles_of(videos, path))
    return [(row.step, row.feature) for row in steps if row.is_off]


def made(videos, change):
    """Videos with a step of their extraction changed, as bytes."""
    changed = (change({name: rows.copy() for name, rows in video.items()}) for video in videos)
    return [
        {n: r if r.dtype == np.uint8 else quantised(r) for n, r in video.items()}
        for video in changed
    ]


def rgb(change):
    return lambda video: video | {"rgb": change(video["rgb"])}


def no_whitening(x):
    return x * np.sqrt(EIGENVALUES + 1e-4)


OFFSET = RNG.normal(0, 0.4, spec.RGB).astype(np.float32) / np.sqrt(EIGENVALUES)
RISING = np.geomspace(1e-7, 1e-2, spec.RGB).astype(np.float32)
FAULTS = {
    "nothing": (lambda video: video, []),
    "no sound": (
        lambda video: video | {"audio": np.zeros((len(video["rgb"]), 128), np.uint8)},
        [("sound", "audio")],
    ),
    "no PCA": (rgb(lambda x: np.abs(x) * 0.4), [("PCA", "rgb")]),
    "no mean": (rgb(lambda x: x + OFFSET), [("mean", "rgb")]),
    "no whitening": (rgb(no_whitening), [("whitening", "rgb")]),
    "rising eigenvalues": (
        rgb(lambda x: x * np.sqrt(RISING / (RISING + 1e-4))),
        [("order", "rgb")],
    ),
    "another range": (rgb(lambda x: x / 4), [("range", "rgb")]),
    "another scale": (rgb(lambda x: x * 9), [("range", "rgb")]),
    "25 frames a second": (
        lambda video: {name: np.repeat(rows[:4], 25, axis=0) for name, rows in video.items()},
        [("seconds", "audio"), ("seconds", "rgb")],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_step_that_is_off_is_the_first_that_is_named(videos, tmp_path, fault):
    change, expected = FAULTS[fault]
    found = off(made(videos, change), tmp_path / "a.tfrecord")
    assert sorted(found[: len(expected)]) == expected
    assert bool(found) == bool(expected)


def test_the_release_is_right(tmp_path):
    for folder in ("frame/train", "video/train"):
        profiles = {}
        for path in sorted(released(folder).glob("*"))[: 4 if folder[0] == "v" else 28]:
            found = examination.examine(listed(path), profiled=True).profiles
            profiles = profile.merged(profiles, found)
        steps = extraction.measure(profiles)
        assert len(steps) >= 7
        assert not [row for row in steps if row.is_off]
    video = {f"mean_{name}": profiles[f"mean_{name}"] for name in ("rgb", "audio")}
    assert {"order"} == {row.step for row in extraction.measure(swapped(video)) if row.is_off}


def swapped(found):
    """Profiles of features that were joined as audio, rgb and split as rgb, audio."""
    one, two = found["mean_rgb"], found["mean_audio"]
    arrays = [f.name for f in fields(one) if isinstance(getattr(one, f.name), np.ndarray)]
    joined = {name: np.concatenate([getattr(two, name), getattr(one, name)]) for name in arrays}
    return {
        "mean_rgb": replace(one, **{name: rows[: spec.RGB] for name, rows in joined.items()}),
        "mean_audio": replace(two, **{name: rows[spec.RGB :] for name, rows in joined.items()}),
    }


def test_few_rows_tell_nothing(videos, tmp_path):
    few = [{name: quantised(rows[:7]) for name, rows in video.items()} for video in videos[:2]]
    assert extraction.measure(profiles_of(few, tmp_path / "a.tfrecord")) == []


def test_it_is_said_if_there_are_too_few_to_tell(caplog):
    measured.show([])
    assert caplog.messages == ["Steps are told from 30 frames or videos at least."]


def test_profiles_of_other_sizes_are_not_added(videos, tmp_path):
    one = profiles_of(made(videos[:1], lambda video: video), tmp_path / "a.tfrecord")
    two = profile.merged(one, one)
    assert two["rgb"].rows == 2 * one["rgb"].rows
    assert profile.merged(one, {}) == one
