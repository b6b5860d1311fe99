"""What a verb needs of files and folders, checked before MLflow is loaded, which takes seconds.

Each verb that needs something has a function. `preflight` then checks what MLflow must know.
"""

import logging
import tempfile
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp import spec
from yt8m_exp.config import compose, studies
from yt8m_exp.data import label_weights, peek, shards, vocabulary
from yt8m_exp.data.manifest import Remedy
from yt8m_exp.serving import whole_file, whole_folder
from yt8m_exp.spec import InputError
from yt8m_exp.stores.uris import is_local
from yt8m_exp.videos import labelling, listing
from yt8m_exp.videos.networks import published
from yt8m_exp.videos.reading import files

SOURCES = ("model_uri", "watch", "predictions", "segment_predictions")
"""What `eval` can score."""
logger = logging.getLogger(__name__)


def train(cfg: DictConfig) -> None:
    """Checks the folder of runs and, for a new run, the shards and the vocabulary."""
    _require_runs(cfg.tracking.runs)
    if cfg.resume:
        return
    for key in ("data.train", "data.validate"):
        own = "folder" in cfg.data and key not in compose.given()  # both sets lie there
        patterns = compose.select(compose.plain(cfg), key)
        found = list(shards.find(patterns, Remedy("data.folder" if own else key)))
        peek.require_labels(found)
        if cfg.data.on_bad_record == "stop":
            remedy = f"Is this a {cfg.data.level}-level shard? Set {key}, or another group of data."
            peek.require_features(found, set(cfg.data.features), taker="training", remedy=remedy)
    if "data.train" in compose.given() and "data.validate" not in compose.given():
        logger.warning(
            "data.train is given, but data.validate is not: the model is measured on %s.",
            cfg.data.validate,
        )
    if patterns := compose.plain(cfg)["distillation"]["shards"]:
        shards.find(patterns, Remedy("distillation.shards"))
    vocabulary.read(cfg.data.vocabulary, cfg.data.classes)
    if weights := cfg.loss.get("label_weights"):
        label_weights.read(weights, cfg.data.classes)


def eval(cfg: DictConfig) -> None:
    """Checks that one thing at most is named, and checks the shards."""
    _require_runs(cfg.tracking.runs)
    given = [source for source in SOURCES if cfg[source]]
    if len(given) > 1:
        raise InputError(f"Only one of {', '.join(SOURCES)} may be given, but got {given}.")
    if cfg.segments and not cfg.shards:
        raise InputError(
            "shards must be given with segments=true: those of 2019 whose segments people rated. "
            "The sample has none."
        )
    if cfg.shards is not None and cfg.labels is not None:
        raise InputError("Either shards or labels must be given, but got both.")
    if cfg.loss is not None and "_target_" not in cfg.loss:
        raise InputError("Name the loss first: loss=cross_entropy, and then its keys.")
    _find(cfg)


def inference(cfg: DictConfig) -> None:
    """Checks the place of the predictions, and the shards."""
    _require_runs(cfg.tracking.runs)
    if cfg.output.endswith("/") and cfg.segments:
        raise InputError(
            "The file of segments lists each class once, over all shards, so it cannot be a folder "
            f"of parts, but got output={cfg.output}. Name a file."
        )
    if cfg.output.endswith("/") and is_local(cfg.output):
        _require_folder(Path(cfg.output), key="output")
    else:
        whole_file.require_writable(cfg.output.rstrip("/"))
    _find(cfg, labelled=False)


def promote(cfg: DictConfig) -> None:
    """Checks that at most one challenger is named, and checks the shards."""
    _require_runs(cfg.tracking.runs)
    given = [key for key in ("version", "run_id", "sweep") if cfg[key] is not None]
    if len(given) > 1:
        raise InputError(f"One of version, run_id and sweep may be given, but got {given}.")
    _find(cfg)


def check(cfg: DictConfig) -> None:
    """Checks that there are shards, the vocabulary, and the place of the labels."""
    _require_runs(cfg.tracking.runs)
    if cfg.output:
        whole_file.require_writable(cfg.output)
    vocabulary.read(cfg.vocabulary, spec.CLASSES, key="vocabulary")
    for key in ("shards", "against"):
        if cfg[key] is not None:
            shards.find(compose.plain(cfg)[key], Remedy(shards=key))


def compare(cfg: DictConfig) -> None:
    """Checks that runs are named in one way, and the place of the page or the curves."""
    if bool(cfg.runs) == bool(cfg.filter):
        raise InputError("Either runs or filter must be given: runs=[<id>,<id>].")
    if cfg.output.endswith("/"):
        _require_folder(Path(cfg.output), key="output")
        return
    whole_file.require_writable(cfg.output)


def export(cfg: DictConfig) -> None:
    """Checks the place of the export, and that nothing is there."""
    if is_local(cfg.output):
        place = Path(cfg.output).absolute()
        _require_folder(place if place.is_dir() else place.parent, key="output")
    else:
        whole_file.require_writable(cfg.output.rstrip("/"))
    whole_folder.require_empty(cfg.output)


def extract(cfg: DictConfig) -> None:
    """Checks the library, the videos, the published files, and the output."""
    tag(cfg)
    labelling.read(listing.read(cfg.videos), cfg.vocabulary)


def tag(cfg: DictConfig) -> None:
    """Checks the library, the videos, the published files, and the output."""
    files.require_library()
    listing.read(cfg.videos)
    published.require(Path(cfg.weights))
    _require_folder(Path(cfg.output), key="output")


def import_checkpoint(cfg: DictConfig) -> None:
    """Checks the folder of runs, and the shards."""
    _require_runs(cfg.tracking.runs)
    _find(cfg)


def ensemble(cfg: DictConfig) -> None:
    """Checks that what an option needs is given, and checks the shards."""
    _require_runs(cfg.tracking.runs)
    for key in ("neighbours", "ridge"):
        share, known = cfg[key].share, cfg[key].shards
        if (share > 0) != (known is not None):
            raise InputError(
                f"{key}.share > 0 and {key}.shards must be given together, but got "
                f"{key}.share={share}, {key}.shards={known}."
            )
    if (together := cfg.neighbours.share + cfg.ridge.share) > 1:
        raise InputError(
            f"`neighbours.share + ridge.share <= 1` must hold, but got {together} together."
        )
    learns = cfg.weights == "learnt"
    if learns != (cfg.weights_shards is not None):
        raise InputError(
            "weights=learnt and weights_shards must be given together, but got "
            f"weights={cfg.weights}, weights_shards={cfg.weights_shards}."
        )
    for key in ("weights_shards", "neighbours.shards", "ridge.shards"):
        if patterns := compose.select(compose.plain(cfg), key):
            peek.require_labels(shards.find(patterns, Remedy(key)))
    _find(cfg)


def sweep(cfg: DictConfig) -> None:
    """Checks the study's file, and the places of the runs and of the study."""
    studies.path_of(cfg.sweep)
    _require_runs(cfg.tracking.runs)
    journal = Path(cfg.storage)
    if "://" not in cfg.storage:
        _require_folder(journal.parent, key="storage")
    if journal.is_dir():
        raise InputError(f"{journal} is a folder. Set storage to a file, as {journal}/journal.")


def _find(cfg: DictConfig, *, labelled: bool = True) -> None:
    patterns: Any = compose.plain(cfg)["shards"]
    if patterns is not None:
        found = shards.find(patterns)
        if labelled:
            peek.require_labels(found)


def _require_runs(runs: str) -> None:
    """Makes the folder of runs; refuses one that is not local or cannot be made or written to."""
    if not is_local(runs):
        raise InputError(
            f"tracking.runs must be a local folder, for locks and journals, but got {runs!r}. "
            "Checkpoints and models go to the artifacts of MLflow, which may be in gs://."
        )
    _require_folder(Path(runs), key="tracking.runs")


def _require_folder(path: Path, *, key: str) -> None:
    """Makes a folder; refuses one that cannot be made or written to."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise InputError(
            f"The folder {path.absolute()} cannot be made or written to ({error.strerror}). "
            f"Set {key}."
        ) from None
