import gzip
import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.data.examples import SCHEMA, integers, video
from tests.proxy import flipped
from yt8m_exp.data import shards
from yt8m_exp.data.ids import Repeat
from yt8m_exp.data.pipeline import Shuffle, ordered_batches, training_batches
from yt8m_exp.data.shards import Reading
from yt8m_exp.data.tfrecords import tfrecord
from yt8m_exp.spec import InputError
from yt8m_exp.stores.cache import Cache
from yt8m_exp.stores.objects import Changed

SIZES = (5, 1, 8, 3, 7, 4, 9)
RECORDS = sum(SIZES)


@pytest.fixture
def folder(tmp_path):
    """Seven small shards of 37 videos, no two alike."""
    numbers = itertools.count()
    (tmp_path / "shards").mkdir()
    for name, size in enumerate(SIZES):
        records = [video(number) for number in itertools.islice(numbers, size)]
        tfrecord.write(tmp_path / "shards" / f"{name}.tfrecord", records)
    return tmp_path / "shards"


@pytest.fixture
def nothing_known(tmp_path, monkeypatch):
    """A user's cache of this test, in which nothing has been learnt of any shard."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "fresh"))


def unread(place, cache_bytes=1 << 30, **options):
    """Scans shards of which one at most is checked before it is read."""
    reading = Reading(Cache(bytes=cache_bytes), check_bytes=0)
    return shards.scan(str(place), SCHEMA, reading=reading, **options)


def small_groups(manifest):
    return Shuffle(0, group_bytes=sum(shard.bytes for shard in manifest.shards) // 3)


def stream(batches, count):
    rows = (
        (batch["id"][row], batch["mean_rgb"][row].tolist(), batch["labels"][row].tolist())
        for batch in batches
        for row in range(len(batch["id"]))
    )
    taken = list(itertools.islice(rows, count))
    batches.close()
    return taken


def test_a_bucket_holds_the_same_data_as_the_disk(folder, bucket):
    bucket.put_folder(folder)
    here, there = (shards.scan(str(place), SCHEMA) for place in (folder, bucket.uri))
    assert here.digest == there.digest
    assert (here.records, there.records) == (RECORDS, RECORDS)
    shuffle = small_groups(here)
    one, other = (stream(training_batches(m, 5, shuffle), 3 * RECORDS) for m in (here, there))
    assert one == other
    assert stream(ordered_batches(here, 5), RECORDS) == stream(ordered_batches(there, 5), RECORDS)


@pytest.mark.parametrize("cache_bytes", [1 << 30, 2500, 0])
def test_shards_are_read_through_any_cache(folder, bucket, nothing_known, cache_bytes):
    bucket.put_folder(folder)
    here = shards.scan(str(folder), SCHEMA)
    there = unread(bucket.uri, cache_bytes)
    assert there.digest == here.digest
    shuffle = small_groups(here)
    expected = stream(training_batches(here, 5, shuffle), 2 * RECORDS)
    assert stream(training_batches(there, 5, shuffle), 2 * RECORDS) == expected


def test_the_digest_of_a_bucket_needs_no_download(folder, bucket, proxy, nothing_known):
    bucket.put_folder(folder)
    manifest = unread(bucket.uri)
    assert len(proxy.downloads()) == 1  # for the estimate of the records
    assert manifest.is_exact
    assert not manifest.is_read


def test_what_is_read_first_needs_no_check_of_the_rest(folder, nothing_known):
    manifest = unread(folder)
    assert [shard.records for shard in manifest.shards] == [SIZES[0], *[0] * 6]
    assert manifest.records == pytest.approx(RECORDS, rel=0.1)
    assert manifest.digest == manifest.digest_of_names
    batches = training_batches(manifest, 2, Shuffle(0, group_bytes=1))
    next(batches)
    batches.close()
    assert not manifest.is_read
    assert len(stream(ordered_batches(manifest), RECORDS + 1)) == RECORDS
    assert manifest.is_read
    assert manifest.records == RECORDS
    whole = shards.scan(str(folder), SCHEMA)
    assert replace(manifest).digest == whole.digest
    assert manifest.shards == whole.shards
    assert unread(folder).is_read  # a later run knows them from the start


def test_the_order_is_the_same_whatever_was_known_before(
    folder, nothing_known, tmp_path, monkeypatch
):
    lazy = unread(folder)
    shuffle = small_groups(lazy)
    first = stream(training_batches(lazy, 5, shuffle), 3 * RECORDS)
    known = shards.scan(str(folder), SCHEMA)
    assert stream(training_batches(known, 5, shuffle), 3 * RECORDS) == first
    for start in (0, 1, 17, RECORDS - 1, RECORDS, 2 * RECORDS + 3):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"at {start}"))
        again = unread(folder)  # as on another machine
        rest = stream(training_batches(again, 5, shuffle, start=start), 3 * RECORDS - start)
        assert rest == first[start:]


def test_a_bad_record_is_named_when_it_is_met(folder, nothing_known):
    records = [video(100), video(101, labels=integers(20)), video(102)]
    tfrecord.write(folder / "9.tfrecord", records)
    batches = ordered_batches(unread(folder), RECORDS)
    with pytest.raises(ValueError, match=r"9\.tfrecord, record 1: .* label 20"):
        list(batches)
    manifest = unread(folder, on_bad_record="skip")
    seen = [name for batch in ordered_batches(manifest) for name in batch["id"].tolist()]
    assert seen[RECORDS:] == [b"v100", b"v102"]
    assert manifest.skipped == 1


def test_a_record_without_labels_is_named_when_it_is_met(folder, nothing_known):
    tfrecord.write(folder / "9.tfrecord", [video(100, labels=None)])
    with pytest.raises(ValueError, match=r"9\.tfrecord: 1 of 1 records have no `labels`"):
        list(ordered_batches(unread(folder, needs_labels=True)))


def test_an_estimate_looks_for_a_record(folder, nothing_known):
    for name in ("00", "01"):
        (folder / f"{name}.tfrecord").touch()
    manifest = unread(folder, on_bad_record="skip")
    assert manifest.records == pytest.approx(RECORDS, rel=0.1)


def test_compressed_shards_are_checked_before_any_use(folder, bucket, tmp_path, monkeypatch):
    """What they take in memory decides on the groups, so that the order does not change later."""
    known = shards.scan(str(folder), SCHEMA)
    shuffle = small_groups(known)
    expected = stream(training_batches(known, 5, shuffle), 2 * RECORDS)
    bucket.put_folder(folder)
    bucket.delete("3.tfrecord")
    packed = gzip.compress((folder / "3.tfrecord").read_bytes())
    bucket.put("3.tfrecord.gz", packed)
    (folder / "3.tfrecord").write_bytes(packed)
    for number, place in enumerate((bucket.uri, folder)):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"fresh {number}"))
        manifest = unread(place)
        assert [shard.compression for shard in manifest.shards if shard.facts] == ["GZIP"]
        assert stream(training_batches(manifest, 5, shuffle), 2 * RECORDS) == expected


def test_a_distant_shard_whose_name_hides_its_compression_is_told(folder, bucket, nothing_known):
    bucket.put_folder(folder)
    bucket.put("4.tfrecord", gzip.compress((folder / "4.tfrecord").read_bytes()))
    with pytest.raises(InputError, match=r"4\.tfrecord is compressed \(GZIP\).* start again"):
        list(ordered_batches(unread(bucket.uri)))
    assert len(stream(ordered_batches(unread(bucket.uri)), RECORDS + 1)) == RECORDS


def test_ids_that_occur_again_are_known_once_all_is_read(folder, nothing_known):
    tfrecord.write(folder / "9.tfrecord", [video(100), video(2)])
    manifest = unread(folder)
    assert manifest.repeats == []
    list(ordered_batches(manifest))
    assert replace(manifest).repeats == [Repeat(7, 1, 0, 2)]


def test_a_folder_of_a_bucket_holds_compressed_shards_too(folder, bucket):
    for name in ("b.tfrecord.gz", "a.tfrecord", "c.tfrecord.zlib", "notes.gz"):
        bucket.put(f"x/{name}", folder / "0.tfrecord")
    names = [found.name for found in shards.find(f"{bucket.uri}/x")]
    assert names == ["a.tfrecord", "b.tfrecord.gz", "c.tfrecord.zlib"]


def test_a_shard_that_changes_after_the_listing_is_told(folder, bucket, nothing_known):
    bucket.put_folder(folder)
    manifest = unread(bucket.uri)
    bucket.put("4.tfrecord", folder / "5.tfrecord")
    with pytest.raises(Changed, match=r"4\.tfrecord was replaced"):
        list(ordered_batches(manifest))
    bucket.put("4.tfrecord", folder / "4.tfrecord")
    assert len(stream(ordered_batches(unread(bucket.uri)), RECORDS)) == RECORDS


def test_flipped_bytes_never_reach_a_batch(folder, bucket, proxy, nothing_known):
    bucket.put_folder(folder)
    manifest = unread(bucket.uri)
    proxy.next_downloads(*[flipped] * 3)
    seen = [name for batch in ordered_batches(manifest) for name in batch["id"].tolist()]
    assert seen == [f"v{number:03d}".encode() for number in range(RECORDS)]
    assert len(proxy.downloads()) == len(SIZES) + 3


def test_patterns_of_several_stores_keep_their_order(folder, bucket):
    bucket.put("x.tfrecord", folder / "0.tfrecord")
    patterns = [f"{folder}/3.tfrecord", f"{bucket.uri}/*", f"{folder}/1.tfrecord"]
    names = [Path(found.uri).name for found in shards.find(patterns)]
    assert names == ["3.tfrecord", "x.tfrecord", "1.tfrecord"]
    with pytest.raises(FileNotFoundError, match=r"No shard matches 'gs://.*/y\*'\. Set shards"):
        shards.find([*patterns, f"{bucket.uri}/y*"])


def test_real_shards_are_the_same_from_a_bucket(sample, bucket):
    for shard in sample.shards[:2]:
        bucket.put(shard.name, Path(shard.path))
    here = replace(sample, shards=sample.shards[:2])
    there = shards.scan(bucket.uri, sample.schema)
    assert here.digest == there.digest
    for one, other in zip(ordered_batches(here), ordered_batches(there), strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
