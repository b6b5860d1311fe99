"""Checks shards, and shows what is wrong with them and what they hold."""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from gzip import GzipFile
from typing import Any, BinaryIO

from omegaconf import DictConfig

from yt8m_exp.config import compose, targets
from yt8m_exp.data import shards
from yt8m_exp.data.doctor import (
    detection,
    examination,
    extraction,
    measured,
    statistics,
    survey,
)
from yt8m_exp.data.doctor.examination import Examination, Labels, SchemaOf
from yt8m_exp.data.doctor.findings import KINDS, Finding
from yt8m_exp.data.doctor.profile import Profile
from yt8m_exp.data.doctor.survey import Survey
from yt8m_exp.data.manifest import Remedy
from yt8m_exp.data.tfrecords import warming
from yt8m_exp.jobs.steps import check_report
from yt8m_exp.jobs.steps.check_report import Checked
from yt8m_exp.jobs.steps.opened import opened
from yt8m_exp.serving.whole_file import WholeFile
from yt8m_exp.spec import InputError
from yt8m_exp.stores.cache import Cache
from yt8m_exp.stores.objects import Object
from yt8m_exp.terminal import progress
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import datasets
from yt8m_exp.tracking.runs import Run

logger = logging.getLogger(__name__)

LABELS = "labels.csv"


def run(cfg: DictConfig) -> Summary:
    """Checks as a configuration of `conf/check.yaml` says.

    Returns:
        The run's id, how many videos are usable, and how many problems of each kind there are.

    Raises:
        InputError: another launcher than that of a cluster, or `slots` without one.
        MissingInputError: a pattern matches no shard.
        OSError: the file of labels cannot be written.
    """
    with _launched(cfg) as launcher, opened("check", cfg) as tracked:
        warming.warm(statistics.calls())
        profiles: dict[str, Profile] = {}
        keys = ["shards"] if cfg.against is None else ["shards", "against"]
        sets = {key: _surveyed(cfg, key, tracked, launcher, profiles) for key in keys}
        checked = Checked(sets, _findings(sets), extraction.measure(profiles))
        check_report.log(cfg, tracked, checked)
        return check_report.told(cfg, tracked, checked, _output(cfg))


@contextmanager
def _launched(cfg: DictConfig) -> Iterator[Any]:
    """Connects to the cluster that examines shards; yields None where this process does."""
    target = cfg.launcher._target_ if "launcher" in cfg else None
    if target is None and cfg.slots is None:
        yield None
        return
    if target is None or not target.endswith(".Dask"):
        raise InputError(
            "A check uses all processors of this machine by itself. With `slots` or a launcher, "
            f"`launcher` must be dask, whose workers share the shards, but got {target or 'none'}."
        )
    with closing(targets.build("launcher", cfg.launcher, slots=cfg.slots)) as launcher:
        yield launcher


def _output(cfg: DictConfig) -> str | None:
    return cfg.output or (LABELS if cfg.labels else None)


def _surveyed(
    cfg: DictConfig,
    key: str,
    tracked: Run,
    launcher: Any,
    profiles: dict[str, Profile],
) -> Survey:
    """Examines a set of shards, writes its labels, logs it as a data set, and fills profiles."""
    output = _output(cfg) if key == "shards" else None
    patterns = compose.plain(cfg)[key]
    listed = shards.find(patterns, Remedy(shards=key))
    schema_of = partial(detection.schema_of, level=cfg.level, classes=cfg.classes)
    began = time.perf_counter()
    with ExitStack() as stack:
        advance = stack.enter_context(progress.shown("Checking", len(listed), unit="shards"))
        profiled = cfg.features and key == "shards"
        found = _examined(cfg, listed, launcher, schema_of, profiled=profiled)
        found = measured.profiling(found, profiles)
        if output:
            found = _writing(found, stack.enter_context(WholeFile(output, ())))
        examined = survey.survey(_counted(found, advance))
    seconds = time.perf_counter() - began
    source = [patterns] if isinstance(patterns, str) else list(map(str, patterns))
    context = "check" if key == "shards" else key
    datasets.log(tracked, examined.manifest(source), name=f"yt8m-{context}", context=context)
    logger.info(
        "%s: %s videos in %s shards, %.2f s, %.0f MB/s",
        key, f"{examined.videos:,}", f"{len(listed):,}", seconds, examined.bytes / 1e6 / seconds,
    )  # fmt: skip
    tracked.writer.log({f"{context}/videos": examined.videos, f"{context}/seconds": seconds}, 0)
    return examined


def _examined(
    cfg: DictConfig,
    listed: Iterable[Object],
    launcher: Any,
    schema_of: SchemaOf,
    *,
    profiled: bool,
) -> Iterator[Examination]:
    """Examines shards on a cluster, or in this process."""
    options: dict[str, Any] = {
        "schema_of": schema_of,
        "cache": Cache(**compose.plain(cfg.data.cache)),
        "profiled": profiled,
    }
    if launcher:
        return launcher.map(partial(examination.examine, **options), listed)
    return examination.examine_all(listed, **options)


def _counted(found: Iterable[Examination], advance: progress.Advance) -> Iterator[Examination]:
    for number, examined in enumerate(found, 1):
        yield examined
        advance(number)


def _writing(found: Iterable[Examination], file: BinaryIO | GzipFile) -> Iterator[Examination]:
    for examined in found:
        file.write(_lines(examined.labels))
        yield examined


def _lines(labels: Labels) -> bytes:
    """Returns the labels of a shard as lines `id,label label`."""
    words = labels.labels.astype("S")
    splits = labels.splits.tolist()
    rows = zip(labels.ids.tolist(), splits, splits[1:], strict=False)
    return b"".join(b"%s,%s\n" % (video, b" ".join(words[a:b])) for video, a, b in rows if b > a)


def _findings(sets: Mapping[str, Survey]) -> list[Finding]:
    """Returns all problems, in the order of `KINDS`, then of the shards."""
    found = [finding for one in sets.values() for finding in (*one.findings, *survey.repeats(one))]
    if "against" in sets:
        found += survey.leaks(sets["shards"], sets["against"])
    order = list(KINDS)
    return sorted(found, key=lambda finding: order.index(finding.kind))
