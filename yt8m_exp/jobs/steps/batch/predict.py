"""Predicts shards by workers, each shard once, however often the work is cut short."""

import hashlib
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray
from omegaconf import DictConfig

from yt8m_exp.config import compose, targets
from yt8m_exp.data import checks
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.evaluation.sample import Sample
from yt8m_exp.jobs.steps.batch.joining import join
from yt8m_exp.jobs.steps.batch.plan import Plan, folder_of
from yt8m_exp.jobs.steps.batch.predictions import form_of, settings
from yt8m_exp.jobs.steps.batch.queue import Queue
from yt8m_exp.jobs.steps.batch.tally import Tally
from yt8m_exp.jobs.steps.batch.workers import Workers
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.serving.parts import folder as parts
from yt8m_exp.serving.parts.folder import Part
from yt8m_exp.serving.whole_file import absolute
from yt8m_exp.spec import InputError
from yt8m_exp.terminal import progress
from yt8m_exp.tracking import store
from yt8m_exp.tracking.runs import Run
from yt8m_exp.tuning.launchers.children import Launcher

logger = logging.getLogger(__name__)

WORK = "yt8m_exp.jobs.steps.batch.worker:run"


def is_wanted(cfg: DictConfig) -> bool:
    """Returns whether a configuration asks for workers, or for a folder of parts."""
    return bool(cfg.slots or "launcher" in cfg or cfg.output.endswith("/"))


@contextmanager
def launched(cfg: DictConfig) -> Iterator[Launcher]:
    """Starts what starts workers; this process then leaves the GPUs to them."""
    local = [f"slots={cfg.slots or 1}", "launcher=local"]
    chosen = cfg if "launcher" in cfg else compose.compose("inference", local)
    launcher = targets.build("launcher", chosen.launcher, slots=chosen.slots)
    try:
        tf.config.set_visible_devices([], "GPU")
        yield launcher
    finally:
        launcher.close()


@dataclass(frozen=True)
class ByShard:
    """A prediction by shard.

    Attributes:
        cfg: its configuration.
        model: what predicts.
        manifest: the shards.
        listed: the classes that are predicted, None for all.
        run: the run that records it.
    """

    cfg: DictConfig
    model: Loaded
    manifest: Manifest
    listed: NDArray | None
    run: Run

    def predict(self, launcher: Launcher, file: Any | None, sample: Sample) -> Tally:
        """Makes the parts that are not there yet, and joins all.

        Args:
            launcher: where workers run.
            file: what the parts are joined to, a context manager; None leaves them in their folder.
            sample: gathers what the run's page shows.

        Raises:
            InputError: a shard cannot be predicted; the parts of all others are kept.
            OutsideError: another process works on it, or workers die time after time.
        """
        plan = self._plan()
        with parts.held(plan.folder):
            if file is None:
                plan.require_own()
            began = time.perf_counter()
            made = self._make(plan, launcher)
            form = form_of(plan.settings)
            with file or nullcontext() as opened:
                found, videos = join(plan, plan.found(), form, opened, sample)
            seconds = time.perf_counter() - began
            self._log(plan, found, videos, keeps=file is None)
            if file is not None:
                parts.discard(plan.folder)
        return Tally(videos, sum(part.videos for part in found) - videos, made, seconds)

    def _plan(self) -> Plan:
        with self.model.tagger.model_file.open("rb") as model:
            digest = hashlib.file_digest(model, "sha256").hexdigest()
        found = settings(self.cfg, self.listed, self.manifest.digest_of_names)
        return Plan(self.manifest, folder_of(self.cfg.output), found, digest)

    def _make(self, plan: Plan, launcher: Launcher) -> int:
        """Makes the parts that are not there; returns how many rows they hold."""
        made = plan.found()
        rows = before = sum(part.videos for part in made.values())
        sizes = {n: s.bytes for n, s in enumerate(self.manifest.shards) if n not in made}
        queue = Queue(sizes, launcher.slots)
        if made:
            logger.info("%d of %d shards are predicted already.", len(made), len(plan.entries))
        with progress.shown(
            "Predicting", self.manifest.records, start=rows, unit="videos"
        ) as advance:

            def note(message: Mapping[str, Any]) -> None:
                nonlocal rows
                rows += message["videos"]
                facts = checks.facts_of(message["facts"])
                shard = self.manifest.shards[message["part"]]
                checks.remember(shard, facts, self.manifest.schema, told=True)
                advance(rows)

            try:
                Workers(launcher, queue, plan.entries, task=self._task(plan), made=note).run()
            except KeyboardInterrupt as stopped:
                raise KeyboardInterrupt(
                    f"{str(stopped) or 'Stopped by Ctrl-C.'} {len(plan.found()):,} of "
                    f"{len(plan.entries):,} shards are predicted, and the same command goes on."
                ) from stopped
        self._require_all(queue)
        return rows - before

    def _task(self, plan: Plan) -> Any:
        schema = asdict(self.manifest.schema)
        job = {
            "model_uri": self.model.uri,
            "settings": plan.settings,
            "folder": absolute(plan.folder),
            "schema": schema,
            "cache": compose.plain(self.cfg.data.cache),
        }
        environment = {"MLFLOW_TRACKING_URI": store.tracking_uri(), **targets.trusted()}

        def task(slot: int) -> dict[str, Any]:
            return {
                "work": WORK,
                "arguments": {"job": job},
                "given": "ask",
                "environment": environment,
                "output": str(self.run.directory / f"worker-{slot}.log"),
            }

        return task

    def _require_all(self, queue: Queue) -> None:
        if queue.failed:
            first, more = min(queue.failed), len(queue.failed) - 1
            tail = f" ({more:,} more shards cannot be predicted.)" if more else ""
            path, reason = self.manifest.shards[first].path, queue.failed[first]
            said = reason if path in reason else f"{path}: {reason}"
            raise InputError(
                f"{said} The predictions of all other shards are kept, and the same command goes "
                f"on from there.{tail}"
            )

    def _log(self, plan: Plan, found: Sequence[Part], videos: int, *, keeps: bool) -> None:
        """Logs which part came of which shard; a folder of parts holds the list, too."""
        shards = zip(self.manifest.shards, found, strict=True)
        listed = {
            "model": self.model.tags() | {"sha256": plan.model_digest},
            "settings": dict(plan.settings),
            "videos": videos,
            "shards": [
                {"name": s.name, "bytes": s.bytes, "crc32c": s.crc32c, "videos": p.videos}
                | ({"part": p.name} if keeps else {})
                | {"digest": p.digest}
                for s, p in shards
            ],
        }
        self.run.client.log_dict(self.run.id, listed, "predictions.json")
        if keeps:
            parts.write_list(plan.folder, listed)
