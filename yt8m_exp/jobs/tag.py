"""Labels video files with a model: a table, a file of JSON, and a page with thumbnails."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from yt8m_exp.jobs.steps import describing
from yt8m_exp.jobs.steps.describing import Described
from yt8m_exp.plots import tagged
from yt8m_exp.plots.tagged import Tagged
from yt8m_exp.serving import loading, moments
from yt8m_exp.serving.tagger import Tagger
from yt8m_exp.serving.whole_file import WholeFile
from yt8m_exp.terminal import table
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import store
from yt8m_exp.videos import listing
from yt8m_exp.videos.listing import Source
from yt8m_exp.videos.reading import thumbnails

SHOWN = 20
"""Videos whose labels the terminal shows; the files hold all."""


def run(cfg: DictConfig) -> Summary:
    """Labels videos as a configuration of `conf/tag.yaml` says.

    Returns:
        How many videos were labelled, which could not be decoded, and where the labels are.

    Raises:
        InputError: there is no such model or video, or the model takes other features.
        UserError: no video could be decoded, or one could not, with `bad_videos=stop`.
    """
    sources = listing.read(cfg.videos)
    store.connect()
    model = loading.load(cfg.model_uri)
    found = describing.describe(cfg, sources)
    videos = [_tagged(cfg, model.tagger, found, source) for source in found.sources]
    output = Path(cfg.output).absolute()
    page, data = output / "tags.html", output / "tags.json"
    with WholeFile(page, ()) as file:
        file.write(tagged.render(model.uri, videos).encode())
    with WholeFile(data, ()) as file:
        file.write(json.dumps(_plain(model.uri, found.sources, videos), indent=1).encode())
    _show(videos)
    result = {
        "videos": len(videos),
        "failed": len(found.failures),
        "model": model.uri,
        "tags": str(data),
        "page": str(page),
    }
    rows: dict[str, Any] = dict(result)
    if found.failures:
        rows["failed"] = f"{len(found.failures):,}: {describing.named(found.failures)}"
    return Summary("Labels of videos", result | {"failures": found.failures}, rows)


def _tagged(cfg: DictConfig, tagger: Tagger, found: Described, source: Source) -> Tagged:
    features = found.store.read(source.id)
    labels = moments.labels(tagger, features, top_k=cfg.top_k, threshold=cfg.threshold)
    seconds = {moment.second for label in labels for moment in label.moments}
    return Tagged(source.id, len(features["rgb"]), labels, thumbnails.at(source.path, seconds))


def _plain(model: str, sources: Sequence[Source], videos: Sequence[Tagged]) -> dict[str, Any]:
    return {
        "model": model,
        "videos": [
            {
                "id": video.id,
                "path": str(source.path),
                "seconds": video.seconds,
                "labels": [
                    label._asdict() | {"moments": [moment._asdict() for moment in label.moments]}
                    for label in video.labels
                ],
            }
            for source, video in zip(sources, videos, strict=True)
        ],
    }


def _show(videos: Sequence[Tagged]) -> None:
    rows = [
        (
            video.id if place == 0 else "",
            label.name or f"class {label.class_id}",
            f"{label.probability:.3f}",
            ", ".join(tagged.clock(moment.second) for moment in label.moments),
        )
        for video in videos[:SHOWN]
        for place, label in enumerate(video.labels)
    ]
    table.show("Labels", ("video", "label", "probability", "moments"), rows, numbers=(2,))
