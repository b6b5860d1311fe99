import multiprocessing
import os
import random
import shutil
from contextlib import suppress
from pathlib import Path

import google_crc32c
import pytest

from tests.proxy import after, cut, failing, flipped
from yt8m_exp.spec import InputError, UserError
from yt8m_exp.stores import cache as files
from yt8m_exp.stores import transfers
from yt8m_exp.stores.cache import Cache
from yt8m_exp.stores.objects import Changed
from yt8m_exp.stores.read_ahead import read_ahead
from yt8m_exp.stores.uris import store_of

SIZE = 300_000
REST = SIZE - 1000


def data(number):
    return random.Random(number).randbytes(SIZE)


@pytest.fixture
def objects(bucket):
    """Eight objects of random bytes."""
    for number in range(8):
        bucket.put(f"shards/{number}.tfrecord", data(number))
    (found,) = store_of(bucket.uri).list([f"{bucket.uri}/shards"])
    return found


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "objects"


def cache(folder, size=1 << 30):
    return Cache(str(folder), size)


def read(cache, found):
    with cache.open(found) as file:
        return file.read()


def kept(folder):
    return sorted(path for path in folder.glob("*") if path.name != "lock")


def test_an_object_is_downloaded_once(objects, folder, proxy):
    assert [read(cache(folder), objects[2]) for _ in range(3)] == [data(2)] * 3
    assert len(proxy.downloads()) == 1
    (entry,) = kept(folder)
    assert entry.read_bytes() == data(2)


@pytest.mark.parametrize("fault", [flipped, cut, failing(429), failing(503), failing(500)])
def test_a_fault_is_made_good(objects, folder, proxy, fault):
    proxy.next_downloads(fault, fault)
    assert read(cache(folder), objects[0]) == data(0)
    assert len(proxy.downloads()) == 3
    assert [path.read_bytes() for path in kept(folder)] == [data(0)]


def test_a_part_that_was_whole_when_its_reader_died_is_used(objects, folder, proxy):
    read(cache(folder), objects[0])
    (entry,) = kept(folder)
    entry.rename(f"{entry}.part")
    assert read(cache(folder), objects[0]) == data(0)
    assert len(proxy.downloads()) == 1


@pytest.mark.parametrize("moment", [(os, "scandir"), (shutil, "disk_usage"), (files, "_locked")])
def test_a_download_that_another_ends_at_any_moment_is_used(
    objects, folder, proxy, monkeypatch, moment
):
    read(cache(folder), objects[0])
    (entry,) = kept(folder)
    part = entry.rename(f"{entry}.part")
    where, name = moment
    original = getattr(where, name)

    def ended(*given):
        if part.exists():
            part.rename(entry)
        return original(*given)

    monkeypatch.setattr(where, name, ended)
    assert read(cache(folder), objects[0]) == data(0)
    assert len(proxy.downloads()) == 1
    assert kept(folder) == [entry]


def test_a_cut_transfer_goes_on_where_it_was(objects, folder, proxy, monkeypatch):
    monkeypatch.setattr(transfers, "ATTEMPTS", 1)
    proxy.next_downloads(flipped)
    with pytest.raises(UserError, match=r"0\.tfrecord: expected the CRC-32C"):
        read(cache(folder), objects[0])
    (part,) = kept(folder)
    assert part.name.endswith(".part")
    part.write_bytes(data(0)[: SIZE - REST])
    monkeypatch.undo()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", proxy.url)
    proxy.next_downloads(lambda asked: (whole := asked.ask())._replace(cut=len(whole.body) > REST))
    assert read(cache(folder), objects[0]) == data(0)


def test_bytes_that_are_never_right_are_never_used(objects, folder, proxy):
    proxy.next_downloads(*[flipped] * 50)
    with pytest.raises(UserError, match=r"0\.tfrecord: expected the CRC-32C \w{8} .* \(Tried 6"):
        read(cache(folder), objects[0])
    assert all(path.name.endswith(".part") for path in kept(folder))
    proxy.faults.clear()
    assert read(cache(folder), objects[0]) == data(0)


@pytest.mark.parametrize("begun", [False, True])
def test_a_replaced_or_deleted_object_is_told(bucket, objects, folder, proxy, begun):
    first, second = objects[:2]

    def change():
        bucket.put("shards/0.tfrecord", data(9))
        bucket.delete("shards/1.tfrecord")

    if begun:
        proxy.next_downloads(after(change, cut), cut)
    else:
        change()
    for found in (first, second):
        with pytest.raises(Changed, match=r"\d\.tfrecord was replaced or deleted"):
            read(cache(folder), found)
    (again,) = store_of(first.uri).list([first.uri])[0]
    assert read(cache(folder), again) == data(9)


def test_what_was_replaced_is_another_entry(bucket, objects, folder):
    assert read(cache(folder), objects[0]) == data(0)
    bucket.put("shards/0.tfrecord", data(9))
    assert read(cache(folder), store_of(bucket.uri).stat(objects[0].uri)) == data(9)
    assert read(cache(folder), objects[0]) == data(0)  # what a run began with


def test_the_least_recently_used_makes_room(objects, folder, proxy):
    small = cache(folder, 3 * SIZE)
    for number in (0, 1, 2, 0, 3, 0, 2):
        assert read(small, objects[number]) == data(number)
        assert sum(path.stat().st_size for path in kept(folder)) <= 3 * SIZE
    assert len(proxy.downloads()) == 4


def test_what_is_open_makes_no_room(objects, folder):
    small = cache(folder, 2 * SIZE)
    with small.open(objects[0]) as file:
        for number in (1, 2, 3):
            assert read(small, objects[number]) == data(number)
        assert file.read() == data(0)
    assert {path.name.split(".", 2)[2] for path in kept(folder)} == {"0.tfrecord", "3.tfrecord"}


def test_a_cache_that_holds_no_object_is_refused(objects, folder):
    with pytest.raises(InputError, match=r"data\.cache\.bytes=1000"):
        read(cache(folder, 1000), objects[0])


def test_without_a_cache_objects_go_through_memory(objects, folder, proxy):
    proxy.next_downloads(flipped, cut)
    assert [read(cache(folder, 0), objects[0]) for _ in range(2)] == [data(0)] * 2
    assert len(proxy.downloads()) == 4
    assert not folder.exists()


def test_a_damaged_or_foreign_file_in_the_folder_changes_nothing(objects, folder):
    read(cache(folder), objects[0])
    (entry,) = kept(folder)
    (folder / "notes.txt").write_text("mine")
    entry.with_name(entry.name + ".part").write_bytes(bytes(2 * SIZE))
    entry.unlink()
    assert read(cache(folder), objects[0]) == data(0)


def test_objects_are_fetched_ahead_in_order(objects, folder, proxy):
    items = read_ahead(range(8), lambda number: [objects[number]], cache(folder))
    assert next(items) == 0
    for number in items:
        assert read(cache(folder), objects[number]) == data(number)
    assert len(proxy.downloads()) == 8


def test_an_error_of_a_fetch_comes_up_with_its_item(bucket, objects, folder):
    bucket.delete("shards/2.tfrecord")
    items = read_ahead(range(8), lambda number: [objects[number]], cache(folder))
    assert [next(items), next(items)] == [0, 1]
    with pytest.raises(Changed, match=r"2\.tfrecord"):
        next(items)


def _read_all(server, found, folder, size, seed, wrong):
    os.environ["STORAGE_EMULATOR_HOST"] = server
    order = random.Random(seed).sample(range(len(found)), len(found))
    for number in order:
        if read(cache(folder, size), found[number]) != data(number):
            wrong.set()


def _processes(count, *args):
    context = multiprocessing.get_context("forkserver")
    wrong = context.Event()
    args = (os.environ["STORAGE_EMULATOR_HOST"], *args)
    started = [
        context.Process(target=_read_all, args=(*args, seed, wrong)) for seed in range(count)
    ]
    for process in started:
        process.start()
    return started, wrong


def test_processes_share_one_download_and_stay_within_the_bound(objects, folder, proxy):
    for readers, size, most in ((2, 1 << 30, len(objects)), (4, 3 * SIZE, None)):
        started, wrong = _processes(readers, objects, folder / str(size), size)
        while any(process.is_alive() for process in started):
            assert _size(folder / str(size)) <= size
        assert not wrong.is_set()
        assert {process.exitcode for process in started} == {0}
        assert most is None or len(proxy.downloads()) == most


def test_a_killed_reader_leaves_no_wrong_file(objects, folder):
    by_name = {found.name: found for found in objects}
    folder.mkdir()
    for seed in range(10):
        most = random.Random(seed).randrange(8 * SIZE)
        ((process,), _) = _processes(1, objects, folder, 1 << 30)
        while process.is_alive() and _size(folder) < most:
            pass
        process.kill()
        process.join()
        for path in kept(folder):
            found = by_name[path.name.split(".", 2)[2].removesuffix(".part")]
            if path.suffix != ".part":
                assert f"{google_crc32c.value(path.read_bytes()):08x}" == found.crc32c
        for path in kept(folder)[::2]:
            path.unlink()
    for number, found in enumerate(objects):
        assert read(cache(folder), found) == data(number)


def _size(folder: Path) -> int:
    size = 0
    for path in kept(folder):
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size
