import gc
import itertools
import threading
from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import SCHEMA, integers, video
from yt8m_exp.data import loading, shards
from yt8m_exp.data.pipeline import (
    Part,
    Shuffle,
    epoch_order,
    ordered_batches,
    training_batches,
)
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.data.videos import LABEL_PADDING

SIZES = (5, 1, 8, 3, 7, 4, 9)
RECORDS = sum(SIZES)


@pytest.fixture
def made(tmp_path):
    """Seven small shards of 37 videos; no two alike, and as many labels each as its number % 4."""
    numbers = itertools.count()
    for name, size in enumerate(SIZES):
        rows = itertools.islice(numbers, size)
        records = [video(n, labels=integers(*range(n % 4))) for n in rows]
        tfrecord.write(tmp_path / f"{name}.tfrecord", records)
    return shards.scan(str(tmp_path), SCHEMA)


def small_groups(manifest, seed=0):
    return Shuffle(seed, group_bytes=sum(shard.bytes for shard in manifest.shards) // 3)


def stream(batches, count):
    """Ids, features and labels of the first videos of a stream, one tuple a video."""
    videos = (row for batch in batches for row in rows(batch))
    taken = list(itertools.islice(videos, count))
    batches.close()
    return taken


def rows(batch):
    for row, name in enumerate(batch["id"]):
        values = [batch[key][row].tolist() for key in SCHEMA.features]
        yield name, values, [label for label in batch["labels"][row] if label != LABEL_PADDING]


def names(batches, count):
    return [name for name, _, _ in stream(batches, count)]


def test_a_video_keeps_its_features_and_labels(made):
    for name, (rgb, audio), labels in stream(training_batches(made, 6, small_groups(made)), 74):
        number = int(name[1:])
        assert rgb == [number + place / 8 for place in range(4)]
        assert audio == [-number, 0.5]
        assert labels == list(range(number % 4))


def test_every_epoch_holds_each_video_once(made):
    for shuffle in (Shuffle(0), small_groups(made)):
        seen = names(training_batches(made, 5, shuffle), 4 * RECORDS)
        for epoch in range(4):
            assert len(set(seen[epoch * RECORDS : (epoch + 1) * RECORDS])) == RECORDS


def test_the_order_comes_from_the_seed_and_the_epoch(made):
    one = names(training_batches(made, 5, small_groups(made, seed=1)), 2 * RECORDS)
    assert one == names(training_batches(made, 5, small_groups(made, seed=1)), 2 * RECORDS)
    other = names(training_batches(made, 5, small_groups(made, seed=2)), 2 * RECORDS)
    assert one[:RECORDS] != other[:RECORDS]
    assert one[:RECORDS] != one[RECORDS:]


def test_the_batch_size_changes_no_order(made):
    one = names(training_batches(made, 1, small_groups(made)), 3 * RECORDS)
    for size in (2, RECORDS, 50, 2 * RECORDS + 1):
        assert names(training_batches(made, size, small_groups(made)), 3 * RECORDS) == one


@pytest.mark.parametrize("grouped", [True, False])
def test_any_position_can_be_gone_to(made, grouped):
    shuffle = small_groups(made) if grouped else Shuffle(0)
    whole = stream(training_batches(made, 6, shuffle), 4 * RECORDS)
    for start in [*range(0, 2 * RECORDS + 3, 5), RECORDS - 1, RECORDS, RECORDS + 1, 2 * RECORDS]:
        rest = stream(training_batches(made, 6, shuffle, start=start), 4 * RECORDS - start)
        assert rest == whole[start:]


def test_real_shards_resume_where_they_were_left(sample):
    shuffle = Shuffle(3, group_bytes=3 << 20)
    first = training_batches(sample, 100, shuffle)
    before = [next(first) for _ in range(20)]
    first.close()
    for done in (7, 14, 15):  # an epoch ends within the fifteenth batch
        again = training_batches(sample, 100, shuffle, start=100 * done)
        for batch in before[done:]:
            same = next(again)
            assert all(np.array_equal(batch[name], same[name]) for name in batch)
        again.close()


def test_batches_are_of_one_size_across_epochs(made):
    batches = training_batches(made, 10, small_groups(made))
    for batch in itertools.islice(batches, 12):
        assert {len(rows) for rows in batch.values()} == {10}
        assert batch["labels"].dtype == np.int32
        assert batch["mean_rgb"].dtype == np.float32
    batches.close()


@pytest.mark.parametrize("workers", [2, 3, 6])
def test_the_parts_of_a_batch_make_it_whole(made, workers):
    whole = stream(training_batches(made, 12, small_groups(made), start=8), 96)
    parts = [
        training_batches(made, 12, small_groups(made), start=8, part=Part(worker, workers))
        for worker in range(workers)
    ]
    dealt = [row for _ in range(8) for part in parts for row in rows(next(part))]
    for part in parts:
        part.close()
    assert dealt == whole


def test_groups_hold_every_shard_once_and_no_more_bytes_than_allowed(sample):
    sizes = {shard.path: shard.bytes for shard in sample.shards}
    for group_bytes in (1, 2_500_000, 4_000_000, 64 << 20):
        for epoch in range(5):
            groups = epoch_order(sample, Shuffle(0, group_bytes), epoch)
            assert sorted(shard.path for group in groups for shard in group) == sorted(sizes)
            for group in groups:
                held = sum(shard.bytes for shard in group)
                assert held <= group_bytes or len(group) == 1
    assert len(epoch_order(sample, Shuffle(0, 64 << 20), 0)) == 1
    assert len(epoch_order(sample, Shuffle(0, 1), 0)) == len(sizes)


def test_videos_meet_only_those_of_their_group(made):
    shuffle = small_groups(made)
    order = iter(names(training_batches(made, 4, shuffle), RECORDS))
    for group in epoch_order(made, shuffle, 0):
        held = loading.load(group, SCHEMA).ids.tolist()
        met = list(itertools.islice(order, len(held)))
        assert sorted(met) == sorted(held)


def test_records_are_mixed_across_shards_of_a_group(sample):
    order = names(training_batches(sample, 64, Shuffle(0)), 200)
    of = {
        name: shard.name
        for shard in sample.shards
        for name in loading.load([shard], sample.schema).ids.tolist()
    }
    assert len({of[name] for name in order}) == len(sample.shards)


def test_ordered_batches_hold_each_video_once_in_the_order_of_the_shards(made):
    for size in (1, 5, RECORDS, 100):
        batches = list(ordered_batches(made, size))
        assert [len(batch["id"]) for batch in batches[:-1]] == [size] * (len(batches) - 1)
        seen = [name for batch in batches for name in batch["id"].tolist()]
        assert seen == loading.load(made.shards, SCHEMA).ids.tolist()


def test_skipped_records_are_in_no_batch(tmp_path):
    records = [video(n, labels=integers(99) if n % 3 == 0 else integers(1)) for n in range(12)]
    tfrecord.write(tmp_path / "a.tfrecord", records)
    tfrecord.write(tmp_path / "b.tfrecord", records[:1])  # none of these is any good
    tfrecord.write(tmp_path / "c.tfrecord", [video(20)])
    manifest = shards.scan(str(tmp_path), SCHEMA, on_bad_record="skip")
    expected = sorted([f"v{n:03d}".encode() for n in range(12) if n % 3] + [b"v020"])
    for shuffle in (Shuffle(0), Shuffle(0, group_bytes=1)):
        seen = names(training_batches(manifest, 4, shuffle), 2 * manifest.records)
        assert sorted(seen) == sorted(2 * expected)
    seen = [name for batch in ordered_batches(manifest, 4) for name in batch["id"].tolist()]
    assert sorted(seen) == expected


def test_videos_without_labels_have_one_column_of_padding(tmp_path):
    tfrecord.write(tmp_path / "a.tfrecord", [video(n, labels=None) for n in range(3)])
    (batch,) = ordered_batches(shards.scan(str(tmp_path), SCHEMA), 10)
    assert batch["labels"].tolist() == [[LABEL_PADDING]] * 3


def test_an_abandoned_stream_leaves_no_thread(made):
    before = set(threading.enumerate())
    never = training_batches(made, 4, small_groups(made))
    for take in (1, 5, 30):
        batches = training_batches(made, 4, small_groups(made))
        for _ in range(take):
            next(batches)
        batches.close()
        assert set(threading.enumerate()) == before
    batches = training_batches(made, 4, small_groups(made))
    next(batches)
    del batches, never
    gc.collect()
    assert set(threading.enumerate()) == before


def test_a_finished_pass_leaves_no_thread(made):
    before = set(threading.enumerate())
    list(ordered_batches(made, 4))
    assert set(threading.enumerate()) == before


def test_an_error_while_loading_comes_up_where_a_batch_is_asked_for(made):
    before = set(threading.enumerate())
    shuffle = Shuffle(0, group_bytes=1)
    last = epoch_order(made, shuffle, 0)[-1][0]
    Path(last.path).unlink()
    batches = training_batches(made, 1, shuffle)
    good = [next(batches) for _ in range(RECORDS - last.records)]
    assert len(good) == RECORDS - last.records
    with pytest.raises(FileNotFoundError, match=last.name):
        next(batches)
    with pytest.raises(StopIteration):
        next(batches)
    assert set(threading.enumerate()) == before
