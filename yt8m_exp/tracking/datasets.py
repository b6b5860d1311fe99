"""The data that a run reads, checked and logged before use."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT

from yt8m_exp import spec
from yt8m_exp.data import shards
from yt8m_exp.data.manifest import DEFAULT_REMEDY, Manifest, Remedy, contents
from yt8m_exp.data.shards import DEFAULT_READING, Reading
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.spec import InputError
from yt8m_exp.tracking import store
from yt8m_exp.tracking.runs import Run

logger = logging.getLogger(__name__)

DIGEST_CHARACTERS = 36
SOURCE_CHARACTERS = 60_000  # MLflow's column takes 65,535 bytes
IDS_IN_TRAIN, SHARDS_IN_TRAIN = "data/validate_ids_in_train", "data/eval_shards_in_train"
"""How many videos a training measures on that it trains on, and how many shards an `eval` does."""
SAMPLE = "sample/{level}/validate/*.tfrecord"


def checked(
    patterns: str | Sequence[str] | None,
    schema: Schema,
    *,
    on_bad_record: str,
    labelled: bool = True,
    reading: Reading = DEFAULT_READING,
    remedy: Remedy = DEFAULT_REMEDY,
) -> Manifest:
    """Checks the shards that patterns match, or the first of them.

    Args:
        patterns: see `shards.find`; None stands for the sample.
        schema: what each record must hold.
        on_bad_record: stop or skip.
        labelled: whether each record must have the feature `labels`, and one a label in it.
        reading: which shards are checked before, and where distant ones are kept.
        remedy: what the user sets where shards cannot be used.

    Raises:
        MissingInputError: a pattern matches nothing.
        InputError: a record is bad, or labels are missing.
    """
    manifest = shards.scan(
        spec.shipped(SAMPLE.format(level=schema.level)) if patterns is None else patterns,
        schema,
        on_bad_record=on_bad_record,
        needs_labels=labelled,
        reading=reading,
        remedy=remedy,
    )
    if labelled:
        manifest.require_positives()
    return manifest


def log_read(run: Run, manifest: Manifest, *, context: str, labelled: bool = True) -> None:
    """Logs what a run reads, and what is odd in it, as far as it is known; see `log_learnt`.

    Args:
        run: the run.
        manifest: the shards.
        context: what they are read for: train, validate, ...
        labelled: whether they are read for their labels.
    """
    log(run, manifest.as_dict(), name=f"yt8m-{context}", context=context)
    if manifest.is_read:
        _log_odd(run, manifest, context, labelled=labelled)
    unread = sum(shard.facts is None for shard in manifest.shards)
    logger.info(
        "%s: %s%s videos in %d shards, digest %s%s%s",
        context.capitalize(),
        "about " if unread else "",
        f"{manifest.records:,}",
        len(manifest.shards),
        manifest.digest,
        f"; {manifest.skipped} bad records left out" if manifest.skipped else "",
        f"; {unread:,} shards are checked when they are read" if unread else "",
    )


def log_learnt(run: Run, manifest: Manifest, *, context: str, labelled: bool = True) -> Manifest:
    """Logs what was learnt of shards while they were read, if anything; see `log_read`.

    Returns:
        The manifest, with what is known of it now.
    """
    if not manifest.began_unread:
        return manifest
    found = replace(manifest)  # with the digest of today
    log(run, found.as_dict(), name=f"yt8m-{context}", context=context)
    _log_odd(run, found, context, labelled=labelled)
    return found


def _log_odd(run: Run, manifest: Manifest, context: str, *, labelled: bool) -> None:
    if manifest.skipped:
        run.writer.log({f"data/{context}_skipped_records": manifest.skipped}, 0)
    if manifest.repeats:
        run.writer.log({f"data/{context}_repeated_ids": len(manifest.repeats)}, 0)
        way = "Each of them counts." if labelled else "The first of each is predicted."
        logger.warning("%s: %s. %s", context.capitalize(), shards.repeats_sentence(manifest), way)


def warn_of_leaked(leaked: int, validate: Manifest) -> None:
    """Warns if videos to measure on are also trained on."""
    if leaked:
        logger.warning(
            "%s of the %s videos to measure on are also trained on, so all metrics are too high. "
            "Set data.validate to other shards, or leave these out of data.train.",
            *(f"{leaked:,}", f"{validate.records:,}"),
        )


def log_trained_on(run: Run, manifest: Manifest, trained: Mapping[str, Any] | None) -> None:
    """Logs how many shards a model was trained on that it is measured on, by their checksums.

    Args:
        run: the run that measures it.
        manifest: what it is measured on.
        trained: the manifest of its training as plain data, if it is known.
    """
    seen = contents(trained) if trained else {}
    if count := len(manifest.contents.keys() & seen.keys()):
        run.writer.log({SHARDS_IN_TRAIN: count}, 0)
        logger.warning(
            "The model was trained on %s of these %s shards, so all metrics are too high.",
            *(f"{count:,}", f"{len(manifest.shards):,}"),
        )


def planned_records(run: Run, manifest: Manifest, *, context: str) -> int:
    """Returns how many records a run's plan follows from: those known or estimated when it began.

    They stay the same when the run is resumed, so that its plan does, too.
    """
    tag = f"data.{context}.records"
    tags = run.before.data.tags
    if tag not in tags:
        run.client.set_tag(run.id, tag, str(manifest.records))
    return int(tags.get(tag, manifest.records))


def log(run: Run, manifest: Mapping[str, Any], *, name: str, context: str) -> None:
    """Logs which shards a run reads: an MLflow dataset, and `data/<context>.json` with every shard.

    Args:
        run: The run.
        manifest: `digest`, `source` (patterns), `records`, and `shards` with the `name`, `bytes`,
            `crc32c` and `records` of each. The shards themselves are not read.
        name: The dataset's name.
        context: What it is read for: train, validate, ...

    Raises:
        InputError: The digest has more than 36 characters.
    """
    digest, sources, shards = manifest["digest"], manifest["source"], manifest["shards"]
    if len(digest) > DIGEST_CHARACTERS:
        raise InputError(
            f"A dataset's digest must have at most {DIGEST_CHARACTERS} characters in MLflow, but "
            f"got {len(digest)}: '{digest}'. Take the first {DIGEST_CHARACTERS}."
        )
    profile = {
        "records": manifest["records"],
        "shards": len(shards),
        "bytes": sum(shard["bytes"] for shard in shards),
    }
    dataset = Dataset(
        name=name,
        digest=digest,
        source_type="gs" if all(s.startswith("gs://") for s in sources) else "local",
        source=json.dumps({"uri": ",".join(sources)[:SOURCE_CHARACTERS]}),
        profile=json.dumps(profile),
        schema=_schema(manifest),
    )
    tag = InputTag(MLFLOW_DATASET_CONTEXT, context)
    run.client.log_inputs(run.id, [DatasetInput(dataset, [tag])])
    run.client.log_dict(run.id, dict(manifest), f"data/{context}.json")


def _schema(manifest: Mapping[str, Any]) -> str | None:
    """Returns the features of a data set as MLflow's pages show them."""
    if "features" not in manifest:
        return None
    rows = "" if manifest["level"] == "video" else "frames, "
    kind = "float" if manifest["level"] == "video" else "byte"
    columns = [("id", "string"), ("labels", f"class ids below {manifest['classes']:,}")]
    columns += [(name, f"{kind}[{rows}{size}]") for name, size in manifest["features"].items()]
    return json.dumps({"mlflow_colspec": [{"name": n, "type": kind} for n, kind in columns]})


def require_same(run_id: str, manifest: Manifest, *, context: str) -> None:
    """Refuses to resume a run on other data than it began with.

    Args:
        run_id: the run.
        manifest: the data to resume with.
        context: what they are read for: train, validate, ...

    Raises:
        InputError: the data have changed.
    """
    inputs = store.connect().get_run(run_id).inputs
    digests = [
        entry.dataset.digest
        for entry in (inputs.dataset_inputs if inputs else [])
        if context in [tag.value for tag in entry.tags]
    ]
    if not digests or {manifest.digest, manifest.digest_of_names} & set(digests):
        return
    if not manifest.is_exact:
        shards.read(manifest)
        manifest = replace(manifest)  # with the digest of all bytes
    if manifest.digest not in digests:
        raise InputError(
            f"A run must go on with the data it began with (data.{context} of digest "
            f"{digests[0]}), but {', '.join(manifest.source)} now has the digest "
            f"{manifest.digest}. Give the same shards, or start a new run."
        )
