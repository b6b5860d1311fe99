"""A page of videos, their labels, and the moments that speak for each."""

import base64
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import numpy as np
from matplotlib.image import imsave
from numpy.typing import NDArray

from yt8m_exp.plots import document

QUALITY = 80
STYLE = """<style>
figure { display: inline-block; margin: 0 .6rem .3rem 0; width: 10rem }
figure img { display: block; width: 100% } figcaption { font-size: .8rem; color: var(--grey) }
</style>"""


class Tagged(NamedTuple):
    """A video on the page.

    Attributes:
        id: of the video.
        seconds: how long what was described is.
        labels: as `serving.moments.labels` returns them.
        thumbnails: RGB uint8 (H, W, 3) by second.
    """

    id: str
    seconds: int
    labels: Sequence[Any]
    thumbnails: Mapping[int, NDArray[np.uint8]]


def render(model: str, videos: Iterable[Tagged]) -> str:
    """Returns a page of HTML that needs no other file."""
    head = (
        "<h1>Labels of videos</h1>"
        f"<p>Predicted by <code>{escape(model)}</code>. Under each label are the five seconds to "
        "which the model gives it the highest probability if it sees nothing else.</p>"
    )
    return document.page("Labels of videos", [STYLE, head, *map(_video, videos)], wide=True)


def _video(video: Tagged) -> str:
    title = f"<h2>{escape(video.id)} <small>{clock(video.seconds)}</small></h2>"
    rows = [
        (
            escape(label.name or f"class {label.class_id}"),
            f"{label.probability:.3f}",
            "".join(_moments(label.moments, video.thumbnails)),
        )
        for label in video.labels
    ]
    if not rows:
        return f"{title}<p>No label is probable enough.</p>"
    return title + document.table(("label", "probability", "moments"), rows, numbers=(1,))


def _moments(moments: Sequence[Any], thumbnails: Mapping[int, NDArray[np.uint8]]) -> Iterator[str]:
    for moment in moments:
        picture = thumbnails.get(moment.second)
        words = f"{clock(moment.second)} · {moment.probability:.3f}"
        image = f'<img alt="{words}" src="{_url(picture)}">' if picture is not None else ""
        yield f"<figure>{image}<figcaption>{words}</figcaption></figure>"


def _url(picture: NDArray[np.uint8]) -> str:
    file = io.BytesIO()
    imsave(file, picture, format="jpg", pil_kwargs={"quality": QUALITY})
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def clock(seconds: int) -> str:
    """Returns a time as players show it."""
    return f"{seconds // 60}:{seconds % 60:02}"
