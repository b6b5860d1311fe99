"""The data that a run reads, checked and logged before anything is done with it."""

import logging
from collections.abc import Sequence

from yt8m_exp.data import shards
from yt8m_exp.data.records import Schema
from yt8m_exp.data.shards import Manifest
from yt8m_exp.tracking import store
from yt8m_exp.tracking.runs import Run, log_data

logger = logging.getLogger(__name__)

SAMPLE = "sample/{level}/validate/*.tfrecord"


def checked(
    patterns: str | Sequence[str] | None,
    schema: Schema,
    *,
    on_bad_record: str,
    labelled: bool = True,
) -> Manifest:
    """Checks the shards that patterns match.

    Args:
        patterns: see `shards.find`; None stands for the sample.
        schema: what each record must hold.
        on_bad_record: stop or skip.
        labelled: whether each record must have the feature `labels`, and one a label in it.

    Raises:
        FileNotFoundError: a pattern matches nothing.
        ValueError: a record is bad, or labels are missing.
    """
    patterns = patterns or SAMPLE.format(level=schema.level)
    manifest = shards.scan(patterns, schema, on_bad_record=on_bad_record)
    if labelled:
        manifest.require_labels()
        manifest.require_positives()
    return manifest


def scanned(
    run: Run,
    patterns: str | Sequence[str] | None,
    schema: Schema,
    *,
    context: str,
    on_bad_record: str,
    labelled: bool = True,
) -> Manifest:
    """Checks the shards that patterns match, and logs what they are; see `checked` and `log`."""
    manifest = checked(patterns, schema, on_bad_record=on_bad_record, labelled=labelled)
    log(run, manifest, context=context)
    return manifest


def log(run: Run, manifest: Manifest, *, context: str) -> None:
    """Logs what a run reads.

    Args:
        run: the run.
        manifest: the shards.
        context: what they are read for: train, validate, ...
    """
    log_data(run, manifest.as_dict(), name=f"yt8m-{context}", context=context)
    if manifest.skipped:
        run.writer.log({f"data/{context}_skipped_records": manifest.skipped}, 0)
    logger.info(
        "%s: %s videos in %d shards, digest %s%s",
        context.capitalize(),
        f"{manifest.records:,}",
        len(manifest.shards),
        manifest.digest,
        f"; {manifest.skipped} bad records left out" if manifest.skipped else "",
    )


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
