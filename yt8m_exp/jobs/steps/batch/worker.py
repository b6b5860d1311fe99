"""A worker: it loads the model once, asks its driver for shards, and makes their parts."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from yt8m_exp.data import checks
from yt8m_exp.data.ahead import in_order
from yt8m_exp.data.checks import Shard
from yt8m_exp.data.ids import Once
from yt8m_exp.data.manifest import Manifest
from yt8m_exp.data.pipeline import shard_batches
from yt8m_exp.data.tfrecords import compiled, warming
from yt8m_exp.data.tfrecords.records import Schema
from yt8m_exp.evaluation import top_k
from yt8m_exp.jobs.steps.batch import plan
from yt8m_exp.jobs.steps.batch.predictions import form_of, predictions_of
from yt8m_exp.serving import lines, loading
from yt8m_exp.serving.loading import Loaded
from yt8m_exp.serving.parts import folder as parts
from yt8m_exp.serving.parts.folder import Part
from yt8m_exp.serving.whole_file import FULL
from yt8m_exp.spec import UserError
from yt8m_exp.stores.cache import Cache
from yt8m_exp.tracking import store

WRITERS = 4
"""Threads that write parts: they wait for the disk or the bucket."""
Ask = Callable[..., Any]


def run(job: Mapping[str, Any], ask: Ask) -> dict[str, Any]:
    """Works until the driver has no more shards.

    Args:
        job: `model_uri`, `settings` (see `predictions.settings`), the `folder` of the parts, the
            `schema` of the records, and the `cache` of distant shards.
        ask: sends the driver a message, and returns its answer.
    """
    store.connect()
    worker = Worker(loading.load(job["model_uri"]), job, ask)
    while entries := ask({"next": True}):
        worker.predict(entries)
    return {}


class Worker:
    """Makes the parts of shards.

    Args:
        model: what predicts.
        job, ask: see `run`.
    """

    def __init__(self, model: Loaded, job: Mapping[str, Any], ask: Ask) -> None:
        self._job, self._ask = job, ask
        self._schema, self._cache = Schema(**job["schema"]), Cache(**job["cache"])
        self._skips = job["settings"]["on_bad_record"] == "skip"
        self._predictions = predictions_of(model.tagger, job["settings"], prunes=True)
        self._form = form_of(job["settings"])
        warming.warm([*compiled.calls(self._schema.level), *top_k.calls(), *lines.calls()])

    def predict(self, entries: Sequence[plan.Entry]) -> None:
        """Makes the parts of some shards, and tells the driver of each; also which cannot be."""
        waiting = list(entries)
        try:
            for (entry, shard, _, _), part in in_order(
                self._write, self._encoded(entries), workers=WRITERS, depth=2 * WRITERS
            ):
                waiting.remove(entry)
                facts = vars(shard.facts) if shard.facts else None
                told = {"part": entry[0], "videos": part.videos, "facts": facts}
                self._ask(told, answered=False)
        except UserError as error:
            if len(waiting) == 1:
                self._ask({"failed": waiting[0][0], "reason": str(error)}, answered=False)
                return
            for entry in waiting:  # one of them; the others are whole
                self.predict([entry])
        except OSError as error:
            if error.errno in FULL:
                self._ask({"full": error.strerror}, answered=False)
            raise

    def _write(self, item: tuple[plan.Entry, Shard, int, bytes]) -> Part:
        (_, stem, key, _), _, videos, data = item
        return parts.write(self._job["folder"], stem, key, videos, data, self._form.suffix)

    def _encoded(
        self, entries: Sequence[plan.Entry]
    ) -> Iterator[tuple[plan.Entry, Shard, int, bytes]]:
        """Yields each shard with its rows and the file of its part; the next is read meanwhile."""
        manifest = self._manifest(entries)
        with closing(shard_batches(manifest, self._job["settings"]["batch_size"])) as batches:  # type: ignore[type-var]
            following = next(batches, None)
            for place, (entry, shard) in enumerate(zip(entries, manifest.shards, strict=True)):
                once, videos, predicted = Once(), 0, []
                while following and following[0] == place:
                    batch = following[1]
                    videos += len(batch["id"])
                    found = self._predictions.found(batch, self._predictions.scores(batch))
                    predicted.append(found.take(once(batch["id"])))
                    following = next(batches, None)
                yield entry, shard, videos, self._form.encode(predicted)

    def _manifest(self, entries: Sequence[plan.Entry]) -> Manifest:
        objects = [plan.object_of(entry) for entry in entries]
        shards = [Shard(found, checks.remembered(found, self._schema)) for found in objects]
        source = tuple(shard.path for shard in shards)
        manifest = Manifest(
            source, tuple(shards), self._schema, cache=self._cache, skip_bad=self._skips
        )
        for shard in shards:
            manifest.require(shard)
        return self._predictions.read(manifest)
