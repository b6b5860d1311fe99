"""Verbs on data, outputs and artifacts in buckets."""

import copy
import gzip
from pathlib import Path

import pytest

from tests.data.download.server import Server
from tests.verbs import PROJECT, SCORED, SHARD

SHARDS = (SHARD, "sample/video/train/validate0040.tfrecord")
QUICK = ("~data.features.mean_rgb", "schedule=constant", "tracking.system_metrics=false")


@pytest.fixture
def machine(store, storage_server, tmp_path):
    """Makes a store as another machine sees it: with runs and a cache of its own."""

    def made(name):
        other = copy.copy(store)
        other.folder = tmp_path / name
        other.runs = other.folder / "runs"
        other.environment = store.environment | {
            "XDG_CACHE_HOME": str(other.folder / "cache"),
            "STORAGE_EMULATOR_HOST": storage_server,
            "GOOGLE_CLOUD_PROJECT": "test",
        }
        return other

    return made


def test_the_whole_chain_works_on_buckets(store, bucket, machine, monkeypatch):
    import mlflow

    local = [f"data.train=[{','.join(SHARDS)}]", f"data.validate={SCORED}"]
    distant = [f"data.train={bucket.uri}/train/*.tfrecord", f"data.validate={bucket.uri}/validate"]
    name = bucket.name
    store.client.create_experiment(name, artifact_location=f"{bucket.uri}/mlflow")
    here, there = machine("here"), machine("there")
    for split, shards in ("train", SHARDS), ("validate", [SCORED]):
        _download(here, split, shards, f"{bucket.uri}/{split}")
    words = (f"shards={bucket.uri}/train", f"against={bucket.uri}/validate")
    checked = here.done("check", *words, "tracking.system_metrics=false")
    assert (checked["shards"], sum(checked["problems"].values())) == (len(SHARDS), 0)

    words = (*QUICK, "data.check_bytes=0", f"tracking.experiment={name}")

    whole = machine("whole").done("train", *local, *words, "epochs=2")
    begun = here.done("train", *distant, *words, "epochs=1")
    ended = there.done("train", f"resume={begun['run_id']}", "epochs=2", f"register={name}")
    assert ended["examples"] == whole["examples"] > begun["examples"]
    assert {key: ended[key] for key in ("gap", "loss")} == {
        key: whole[key] for key in ("gap", "loss")
    }

    model = f"model_uri=models:/{name}/1"
    shards = f"shards={bucket.uri}/validate/*"
    scored = there.done("eval", model, shards)
    assert scored["gap"] == pytest.approx(ended["gap"])
    output = f"{bucket.uri}/predictions.csv.gz"
    predicted = there.done("inference", model, shards, f"output={output}")
    assert (predicted["output"], predicted["videos"]) == (output, scored["videos"])
    same = here.done("inference", model, f"shards={SCORED}", f"output={here.folder}/p.csv")
    assert gzip.decompress(bucket.get("predictions.csv.gz")) == Path(same["output"]).read_bytes()

    there.done("export", model, f"output={bucket.uri}/exported/1")
    assert "exported/1/saved_model.pb" in bucket.names()
    refused = there.run("export", model, f"output={bucket.uri}/exported/1")
    assert refused.status == 2
    assert "is not empty" in refused.sentence

    promoted = there.done(
        "promote", f"name={name}", "version=1", shards, "policy.minimum_gap=0", "json=true"
    )
    assert promoted["promoted"]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    mlflow.set_tracking_uri(store.uri)
    assert mlflow.pyfunc.load_model(f"models:/{name}@champion")


def _download(here, split, shards, output):
    contents = [(PROJECT / shard).read_bytes() for shard in shards]
    partition = f"2/video/{split}"
    with Server(partition, contents) as server:
        words = (f"partition={partition}", f"output={output}", *server.words)
        assert here.done("download", *words)["files"] == len(shards)


def test_what_a_bucket_does_not_have_is_told_before_anything_is_loaded(bucket, machine):
    here = machine("here")
    outcome = here.run("train", f"data.train={bucket.uri}/none/*", *QUICK)
    assert outcome.status == 2
    assert f"No shard matches '{bucket.uri}/none/*'" in outcome.sentence
    here.runs = f"{bucket.uri}/runs"
    outcome = here.run("train", *QUICK)
    assert outcome.status == 2
    assert "tracking.runs must be a local folder" in outcome.sentence


def test_https_urls_with_a_secret_are_refused(machine):
    outcome = machine("here").run("train", "data.train='https://host/a?token=abc'", *QUICK)
    assert outcome.status == 2
    assert "abc" not in outcome.err
