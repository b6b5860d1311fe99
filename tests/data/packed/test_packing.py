import itertools
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import FRAME_SCHEMA, SCHEMA, frame_video, integers, video
from tests.data.test_segments import ratings
from yt8m_exp.data import shards
from yt8m_exp.data.means import Means
from yt8m_exp.data.packed.packing import Packing
from yt8m_exp.data.packed.stored import bound
from yt8m_exp.data.pipeline import Shuffle, training_batches
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.spec import InputError, UserError

SIZES = (5, 1, 8, 0, 7, 4, 9)
RECORDS = sum(SIZES)
FACTORS = np.arange(FRAME_SCHEMA.features["rgb"], dtype=np.float32)


def one(number):
    labels = integers(*range(number % 4)) if number % 5 else None
    return video(number, labels=labels)


def frames(number):
    return frame_video(number, frames=number % 10)  # some without any, some with too many


def segments(number):
    return frame_video(number, 18, **ratings([0, 10, 10], [3, number % 20, 5], [1, 1, 0]))


LEVELS = {
    "video": (SCHEMA, one, None),
    "frame": (FRAME_SCHEMA, frames, None),
    "means": (FRAME_SCHEMA, frames, Means("each", 5)),
    "unwhitened means": (FRAME_SCHEMA, frames, Means("none", 5, 0.5, FACTORS)),
    "segment": (Schema(FRAME_SCHEMA.features, 20, "segment"), segments, None),
}


def scanned(folder, level="video"):
    """Seven shards, no two videos alike; one shard has no usable record."""
    schema, made, means = LEVELS[level]
    numbers = itertools.count()
    folder.mkdir(exist_ok=True)
    for name, size in enumerate(SIZES):
        records = [made(number) for number in itertools.islice(numbers, size)] or [b"\xff"]
        tfrecord.write(folder / f"{name}.tfrecord", records)
    manifest = shards.scan(str(folder), schema, on_bad_record="skip")
    return replace(manifest, means=means)


@pytest.fixture
def manifest(tmp_path):
    return scanned(tmp_path / "shards")


@pytest.fixture
def place(tmp_path):
    return tmp_path / "packed"


def taken(manifest, load=None, start=0, count=12, size=5):
    shuffle = Shuffle(3, group_bytes=sum(shard.bytes for shard in manifest.shards) // 3)
    batches = training_batches(manifest, size, shuffle, start=start, load=load)
    found = list(itertools.islice(batches, count))
    batches.close()
    return found


def same(ones, others):
    return all(
        one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
        for one, other in zip(ones, others, strict=True)
    )


def one_set(place):
    (folder,) = (entry for entry in place.iterdir() if entry.is_dir())
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
def test_packed_shards_give_the_same_batches_from_any_position(tmp_path, place, level):
    manifest = scanned(tmp_path / "shards", level)
    load = Packing("float32", str(place)).open(manifest)
    for start in (0, 1, 17, manifest.records - 1, 2 * manifest.records + 3):
        assert same(taken(manifest, load, start), taken(manifest, start=start))


def test_real_shards_give_the_same_batches(sample, place):
    load = Packing("float32", str(place)).open(sample)
    assert same(taken(sample, load, size=700), taken(sample, size=700))


@pytest.mark.parametrize("precision", ["float16", "uint8"])
def test_fewer_bytes_change_features_within_the_bound_and_nothing_else(sample, place, precision):
    load = Packing(precision, str(place)).open(sample)
    for found, exact in zip(taken(sample, load, size=500), taken(sample, size=500), strict=True):
        assert found["id"].tolist() == exact["id"].tolist()
        assert (found["labels"] == exact["labels"]).all()
        for name in sample.schema.features:
            error = np.abs(found[name] - exact[name].astype(np.float64))
            assert (error <= bound(exact[name], precision)).all()
            assert error.max() < 0.008


def test_a_set_is_made_once_and_then_used(manifest, place):
    Packing("uint8", str(place)).open(manifest)
    before = one_set(place).stat().st_mtime_ns
    for shard in manifest.shards:
        Path(shard.path).unlink()
    load = Packing("uint8", str(place)).open(manifest)
    assert taken(manifest, load)
    assert one_set(place).stat().st_mtime_ns == before


def test_processes_that_come_together_make_one_set(manifest, place, said):
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(Packing("uint8", str(place)).open(manifest)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert [line for line in said if line.startswith("Packing")] == ["Packing 7 shards as uint8"]
    assert one_set(place)


def test_what_is_packed_belongs_to_the_content_and_how_it_is_read(manifest, tmp_path, place):
    Packing("float32", str(place)).open(manifest)
    moved = scanned(tmp_path / "elsewhere")
    Packing("float32", str(place)).open(moved)
    assert one_set(place)  # the same shards in another folder
    tfrecord.write(tmp_path / "shards" / "0.tfrecord", [one(n) for n in range(50, 55)])
    other = shards.scan(str(tmp_path / "shards"), SCHEMA, on_bad_record="skip")
    load = Packing("float32", str(place)).open(other)
    assert same(taken(other, load), taken(other))
    fewer = replace(other, schema=Schema({"mean_rgb": 4}, 20))
    assert "mean_audio" not in taken(fewer, Packing("float32", str(place)).open(fewer))[0]
    assert len([entry for entry in place.iterdir() if entry.is_dir()]) == 3


def test_a_set_that_is_not_whole_is_made_anew(manifest, place):
    packing = Packing("float32", str(place))
    packing.open(manifest)
    folder = one_set(place)
    part = folder.with_name(folder.name + ".part")
    folder.rename(part)  # as a killed process leaves it
    load = packing.open(manifest)
    assert same(taken(manifest, load), taken(manifest))
    assert not part.exists()
    for damage in (
        lambda: (folder / "0").write_bytes((folder / "0").read_bytes()[:-1]),
        lambda: (folder / "1").unlink(),
        lambda: (folder / "index.json").write_bytes(b"x" + (folder / "index.json").read_bytes()),
        lambda: (folder / "index.json").unlink(),
    ):
        damage()
        assert same(taken(manifest, packing.open(manifest)), taken(manifest))


def test_a_flipped_bit_never_reaches_a_batch(manifest, place):
    packing = Packing("float32", str(place))
    packing.open(manifest)
    for file in sorted(one_set(place).glob("[0-9]")):
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        load = packing.open(manifest)
        with pytest.raises(UserError, match=r"are damaged, and will not be used again"):
            taken(manifest, load)
        load = packing.open(manifest)
        assert same(taken(manifest, load), taken(manifest))


def test_what_was_not_used_for_longest_makes_room(manifest, place):
    folders = []
    for precision in ("float32", "float16"):
        Packing(precision, str(place)).open(manifest)
        folders += [entry for entry in place.iterdir() if entry.is_dir() and entry not in folders]
    used = Packing("float32", str(place)).open(manifest)
    sizes = [sum(file.stat().st_size for file in folder.iterdir()) for folder in folders]
    (place / "mine").mkdir()  # nobody else's is touched
    Packing("uint8", str(place), sum(sizes) + 2000).open(manifest)
    assert [folder.exists() for folder in folders] == [True, False]
    assert (place / "mine").exists()
    with pytest.raises(UserError, match=r"has room for [\d,]+\. Free some"):
        Packing("float16", str(place), sizes[0] + 2000).open(manifest)  # the first is in use
    assert same(taken(manifest, used), taken(manifest))


def test_a_set_that_is_too_large_is_refused_before_it_is_made(manifest, place):
    with pytest.raises(InputError, match=re.escape("data.packed.bytes is 1,000. Raise it")):
        Packing("float32", str(place), 1000).open(manifest)
    assert not [entry for entry in place.iterdir() if entry.is_dir()]


def test_a_shard_that_changed_ends_the_packing_and_leaves_nothing(manifest, place):
    Path(manifest.shards[2].path).write_bytes(b"something else")
    with pytest.raises(InputError, match="changed while it was in use"):
        Packing("float32", str(place)).open(manifest)
    assert not [entry for entry in place.iterdir() if entry.is_dir()]


def test_a_removed_set_stays_readable_where_it_is_open(manifest, place):
    load = Packing("float32", str(place)).open(manifest)
    shutil.rmtree(place)
    assert same(taken(manifest, load), taken(manifest))
