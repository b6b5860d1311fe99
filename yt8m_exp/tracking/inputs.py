"""The data that a run reads, checked and logged before anything is done with it."""

import logging
from collections.abc import Sequence

from yt8m_exp.data import shards
from yt8m_exp.data.records import Schema
from yt8m_exp.data.shards import Manifest, Remedy, repeats_sentence
from yt8m_exp.tracking import store
from yt8m_exp.tracking.runs import Run, log_data

logger = logging.getLogger(__name__)

FROM_SHARDS = Remedy()
SAMPLE = "sample/{level}/validate/*.tfrecord"


def scanned(
    run: Run,
    patterns: str | Sequence[str] | None,
    schema: Schema,
    *,
    context: str,
    on_bad_record: str,
    labelled: bool = True,
    remedy: Remedy = FROM_SHARDS,
) -> Manifest:
    """Checks the shards that patterns match, and logs what they are.

    Args:
        run: the run that reads them.
        patterns: see `shards.find`; None stands for the sample.
        schema: what each record must hold.
        context: what they are read for: train, validate, ...
        on_bad_record: stop or skip.
        labelled: whether each record must have labels.
        remedy: what the user sets where shards cannot be used.

    Raises:
        FileNotFoundError: a pattern matches nothing.
        ValueError: a record is bad, or has no labels where it must.
    """
    patterns = patterns or SAMPLE.format(level=schema.level)
    manifest = shards.scan(patterns, schema, on_bad_record=on_bad_record, remedy=remedy)
    if labelled:
        manifest.require_labels()
    log_data(run, manifest.as_dict(), name=f"yt8m-{context}", context=context)
    if manifest.skipped:
        run.writer.log({f"data/{context}_skipped_records": manifest.skipped}, 0)
    if manifest.repeats:
        run.writer.log({f"data/{context}_repeated_ids": len(manifest.repeats)}, 0)
        way = "Each of them counts." if labelled else "The first of each is predicted."
        logger.warning("%s: %s. %s", context.capitalize(), repeats_sentence(manifest), way)
    logger.info(
        "%s: %s videos in %d shards, digest %s%s",
        context.capitalize(),
        f"{manifest.records:,}",
        len(manifest.shards),
        manifest.digest,
        f"; {manifest.skipped} bad records left out" if manifest.skipped else "",
    )
    return manifest


def require_same(run_id: str, manifest: Manifest, *, context: str) -> None:
    """Refuses to go on with a run on other data than it began with.

    Args:
        run_id: the run.
        manifest: the data to go on with.
        context: what they are read for: train, validate, ...

    Raises:
        ValueError: the data are others.
    """
    inputs = store.connect().get_run(run_id).inputs
    digests = [
        entry.dataset.digest
        for entry in (inputs.dataset_inputs if inputs else [])
        if context in [tag.value for tag in entry.tags]
    ]
    if digests and manifest.digest not in digests:
        raise ValueError(
            f"A run must go on with the data it began with (data.{context} of digest "
            f"{digests[0]}), but {', '.join(manifest.source)} now has the digest "
            f"{manifest.digest}. Give the same shards, or start a new run."
        )
