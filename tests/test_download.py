import json
import os
import signal
import subprocess
import sys
from threading import Event

import pytest

from tests.data.download.server import Fault, Server, bad_line, md5
from tests.test_cli import SHOWS_MODULES
from tests.verbs import PROJECT, sample_records
from yt8m_exp.data.download import extractor, partitions
from yt8m_exp.data.tfrecords import tfrecord

PARTITION = "2/video/train"
SHARDS = 60
PLAN = partitions.plan_name(PARTITION)


@pytest.fixture(scope="session")
def contents(tmp_path_factory):
    """The sample's videos in many small shards."""
    paths = sorted((PROJECT / "sample" / "video").rglob("*.tfrecord"))
    records = [record for path in paths for record in sample_records(str(path))]
    folder = tmp_path_factory.mktemp("shards")
    for number in range(SHARDS):
        tfrecord.write(folder / f"{number:02}", records[number::SHARDS])
    return [path.read_bytes() for path in sorted(folder.iterdir())]


@pytest.fixture
def output(tmp_path):
    return tmp_path / "output"


@pytest.fixture
def server(contents):
    with Server(PARTITION, contents) as server:
        yield server


def words(server, output, *more, partition=PARTITION):
    return (
        f"partition={partition}",
        f"output={output}",
        *server.words,
        "backoff_seconds=0",
        *more,
    )


def names(output):
    there = output.iterdir() if output.exists() else ()
    return {path.name for path in there if path.suffix == ".tfrecord"}


def assert_right(output, server, contents, missing=()):
    """What has a name is right, and all but `missing` has one."""
    expected = {server.local(n): md5(c) for n, c in enumerate(contents) if n not in missing}
    assert {name: md5((output / name).read_bytes()) for name in names(output)} == expected


def part(output, server, number):
    return output / f".{server.local(number)}.{server.plan[server.names[number]]}.part"


def test_all_but_the_one_that_is_always_wrong_arrives_over_a_bad_line(
    store, server, contents, output
):
    wrong = 7

    def faults(path, count):
        always = path.endswith(server.names[wrong])
        return Fault(flip=True) if always else bad_line(path, count)

    server.faults = faults
    outcome = store.run("download", *words(server, output))
    assert outcome.status == 1, outcome.err
    assert_right(output, server, contents, {wrong})
    last = json.loads(outcome.out.splitlines()[-1])
    assert (last["files"], last["failed"]) == (SHARDS - 1, 1)
    assert last["failures"].keys() == {server.local(wrong)}
    assert f"{server.local(wrong)} is missing: " in outcome.err
    assert "its MD5 should be" in outcome.err
    assert len(server.gets()) > SHARDS  # some were asked for again

    server.faults = None
    server.requests.clear()
    result = store.done("download", *words(server, output))
    assert server.gets() == [server.names[wrong]]
    assert_right(output, server, contents)
    assert result == {
        "files": SHARDS,
        "bytes": sum(map(len, contents)),
        "failed": 0,
        "fetched": 1,
        "output": str(output),
        "failures": {},
    }


def test_parts_are_those_of_the_hash_rule_and_together_the_whole(store, server, contents, output):
    for m in (1, 2, 3):
        server.requests.clear()
        result = store.done("download", *words(server, output, f"shard={m},3"))
        kept = partitions.share(server.names, m, 3)
        assert set(server.gets()) == kept
        assert result["files"] == len(kept)
    assert_right(output, server, contents)


def test_the_entry_point_takes_a_part(store, server, output):
    parameters = {"partition": PARTITION, "shard": "1,9", "output": str(output)}
    result = store.mlflow_run("download", parameters | {"overrides": " ".join(server.words)})
    assert set(server.gets()) == partitions.share(server.names, 1, 9)
    assert result["files"] == len(names(output))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_is_stopped_leaves_nothing_wrong_and_goes_on(store, server, contents, output, how):
    stuck, release = {20, 21}, Event()

    def faults(path, count):
        held = any(path.endswith(server.names[number]) for number in stuck)
        return Fault(wait=release.wait) if held and not release.is_set() else None

    def is_stuck():
        sizes = {n: part(output, server, n) for n in stuck}
        return len(names(output)) == SHARDS - 2 and all(
            path.exists() and path.stat().st_size == len(contents[n]) - 1
            for n, path in sizes.items()
        )

    server.faults = faults
    running = store.start("download", *words(server, output, "transfers=4"))
    running.until(is_stuck)
    running.send(how)
    running.process.join()
    release.set()
    assert_right(output, server, contents, stuck)
    if how == signal.SIGINT:
        assert running.process.exitcode == 130
        sentence = f"Stopped: 58 files are in {output}. Give the same command to go on."
        assert running.read("err").splitlines()[-1] == sentence

    server.requests.clear()
    assert store.done("download", *words(server, output))["fetched"] == 2
    asked = {(r.path.rpartition("/")[2], r.start) for r in server.requests if r.start is not None}
    assert asked == {(server.names[n], len(contents[n]) - 1) for n in stuck}
    assert_right(output, server, contents)


def test_what_the_datasets_script_left_is_fetched(store, server, contents, output):
    output.mkdir()
    left = {3, 4, 5}
    plan = {server.names[number]: server.plan[server.names[number]] for number in left}
    (output / PLAN).write_text(json.dumps({"files": plan}))
    (output / server.local(3)).write_bytes(contents[3][:1000])  # a transfer that was cut
    (output / server.local(4)).write_bytes(contents[4])  # killed before it was off the plan
    outcome = store.run("download", *words(server, output))
    assert outcome.status == 0, outcome.err
    assert f"{PLAN} lists 3 files" in outcome.err
    assert (outcome.result["files"], outcome.result["fetched"]) == (3, 2)
    gets = {(r.path.rpartition("/")[2], r.start) for r in server.requests if r.method == "GET"}
    assert gets == {(server.names[3], 1000), (server.names[5], None)}
    assert_right(output, server, contents, set(range(SHARDS)) - left)

    (output / PLAN).unlink()
    assert store.done("download", *words(server, output))["fetched"] == SHARDS - 3
    assert_right(output, server, contents)


def test_other_files_of_the_same_names_are_in_the_way(store, server, contents, output):
    output.mkdir()
    mine = output / server.local(0)
    mine.write_text("mine")
    outcome = store.run("download", *words(server, output))
    assert outcome.status == 2
    assert f"{output} has other content under {mine.name}." in outcome.sentence
    assert mine.read_text() == "mine"
    store.done("download", *words(server, output, "replace=true"))
    assert_right(output, server, contents)


def test_files_that_were_checked_are_not_read_again_until_they_change(
    store, server, contents, output
):
    store.done("download", *words(server, output))
    first = output / server.local(0)
    first.unlink()
    result = store.done("download", *words(server, output))
    assert result["fetched"] == 1
    first.write_bytes(b"x" + contents[0][1:])
    assert store.run("download", *words(server, output)).status == 2
    assert len((output / ".2_video_train_checked.csv").read_text().splitlines()) == SHARDS + 1


def test_a_disk_that_is_too_small_stops_it_before_it_starts(store, server, output):
    server.claimed = 10**15
    outcome = store.run("download", *words(server, output))
    assert outcome.status == 1
    assert "The download takes about 60,000,000.0 GB, but" in outcome.sentence
    assert server.gets() == []


def test_a_disk_that_takes_no_more_ends_in_a_sentence(store, server, contents, output):
    most = max(map(len, contents)) - 1
    outcome = store.run("download", *words(server, output, "transfers=1"), most_bytes=most)
    assert outcome.status == 1
    assert outcome.sentence.startswith("Error: File too large: ")
    assert outcome.sentence.endswith("Give the same command to go on when this is mended.")
    assert_right(
        output, server, contents, set(range(SHARDS)) - {int(n[5:9]) for n in names(output)}
    )


def test_a_server_that_goes_away_ends_it_before_all_files_were_tried(store, server, output):
    here = 10
    server.faults = lambda path, count: Fault(cut=0) if len(names(output)) >= here else None
    outcome = store.run("download", *words(server, output, "transfers=2", "attempts=2"))
    assert outcome.status == 1
    last = json.loads(outcome.out.splitlines()[-1])
    assert last["files"] + last["failed"] == SHARDS
    assert "it was not tried, since the server no longer answers" in outcome.err
    assert len(server.gets()) < SHARDS


def test_two_downloads_do_not_share_a_folder(store, server, output):
    release = Event()
    server.faults = lambda path, count: Fault(wait=release.wait)
    running = store.start("download", *words(server, output))
    running.until(lambda: server.requests)
    outcome = store.run("download", *words(server, output))
    release.set()
    assert outcome.status == 1
    assert f"Another download of {PARTITION} into {output} is at work." in outcome.sentence
    assert running.wait().status == 0


def test_a_bucket_takes_it_and_knows_what_is_there(store, server, contents, bucket, monkeypatch):
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_CLOUD_PROJECT"):
        monkeypatch.setitem(store.environment, name, os.environ[name])
    given = words(server, f"{bucket.uri}/2/video/train", "shard=1,4")
    numbers = [server.names.index(name) for name in partitions.share(server.names, 1, 4)]
    first, *others = sorted(numbers)
    bucket.put(f"2/video/train/{server.local(first)}", contents[first])
    result = store.done("download", *given)
    assert (result["files"], result["fetched"]) == (len(numbers), len(others))
    for number in numbers:
        assert bucket.get(f"2/video/train/{server.local(number)}") == contents[number]
    assert store.done("download", *given)["fetched"] == 0

    bucket.put(f"2/video/train/{server.local(first)}", b"mine")
    outcome = store.run("download", *given)
    assert outcome.status == 2
    assert "has other content under" in outcome.sentence
    assert store.done("download", *given, "replace=true")["fetched"] == 1
    assert bucket.get(f"2/video/train/{server.local(first)}") == contents[first]


def test_labels_and_vocabularies_have_no_plan(store, server, output):
    server.files |= {
        "/2/ground_truth_labels/train_labels.csv": b"a,1 2\n",
        "/2/ground_truth_labels/validate_labels.csv": b"b,3\n",
        "/2/vocabulary.csv": b"Index,Name\n",
    }
    for partition, files in (("2/ground_truth_labels", 2), ("2/vocabulary", 1)):
        result = store.done("download", *words(server, output, partition=partition))
        assert (result["files"], result["fetched"]) == (files, files)
    assert (output / "train_labels.csv").read_bytes() == b"a,1 2\n"
    again = store.done("download", *words(server, output, partition="2/vocabulary"))
    assert again["fetched"] == 0


def test_the_networks_of_extract_are_checked_by_their_known_or_first_digest(store, server, output):
    files = {name: name.encode() * 99 for name in extractor.FILES}
    server.files |= {f"/{name}": content for name, content in files.items()}
    base = next(word.partition("=")[2] for word in server.words if word.startswith("server.plans"))
    given = (f"server.inception={base}", f"server.audioset={base}", "attempts=1")
    outcome = store.run("download", *words(server, output, *given, partition="extractor"))
    assert outcome.status == 1  # these are not the published checkpoint and its PCA
    assert "vggish_model.ckpt is missing" in outcome.err
    assert "its MD5 should be d1c7011e6366aa34176bb05c705e31a8" in outcome.err
    unknown = ("inception-2015-12-05.tgz", "yt8m_pca.tgz")
    noted = "".join(f"{md5(files[name])}  {name}\n" for name in unknown)
    assert (output / extractor.RECORD).read_text() == noted
    assert (
        f"No digest of {unknown[0]} is published. It came as {md5(files[unknown[0]])}"
        in outcome.err
    )
    (output / unknown[1]).write_bytes(b"another")
    outcome = store.run("download", *words(server, output, *given, partition="extractor"))
    assert outcome.status == 2
    assert f"has other content under {unknown[1]}" in outcome.sentence


@pytest.mark.parametrize(
    ("more", "status", "sentence"),
    [
        (("partition=2/video/trian",), 2, "`partition` must be one of"),
        (("shard=3,2",), 2, "`1 <= m <= n` must hold in shard=m,n"),
        (("shard=1,99999",), 2, "No file of 2/video/train is in part 1 of 99999."),
        (("mirror=mars",), 2, "`mirror` must be 'us', 'eu' or 'asia'"),
        (("partition=3/frame/test",), 1, "the server answers 404"),
        (("partition=2/vocabulary", "shard=1,2"), 2, "2/vocabulary has no parts"),
        (("output=s3://a/b",), 2, "`output` must be a folder or gs://bucket/folder"),
        (("server.plans=nowhere",), 1, "cannot be read: Invalid URL"),
        (("output=README.md",), 2, "README.md cannot be a folder of downloads: File exists."),
    ],
)
def test_a_mistake_ends_in_a_sentence(store, server, output, more, status, sentence):
    outcome = store.run("download", *words(server, output, *more))
    assert outcome.status == status
    assert sentence in outcome.sentence


@pytest.mark.slow
def test_it_works_without_tensorflow(server, output):
    given = words(server, output, "shard=1,9")
    outcome = subprocess.run(
        [sys.executable, "-c", SHOWS_MODULES, "download", *given],
        cwd=PROJECT,
        capture_output=True,
        text=True,
    )
    assert outcome.returncode == 0, outcome.stderr
    loaded = outcome.stderr.splitlines()[-1]
    assert loaded.startswith("loaded: ")
    assert "tensorflow" not in loaded
    assert "keras" not in loaded
