"""How does GAP grow with the number of training videos?

    python -m benchmarks.learning_curve <folder of shards> [overrides of the training ...]

Each fifth shard is held back. The recipe (`experiment=best_network` unless overrides say otherwise)
is trained on an eighth, a quarter, a half and all of the others. The table is printed, and the
figure is drawn to docs/learning_curve.png. On 100 shards and two cores it takes about ten minutes.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from yt8m_exp import spec
from yt8m_exp.data import shards as scanning
from yt8m_exp.data.tfrecords import records
from yt8m_exp.plots import drawing, style

PARTS = (8, 4, 2, 1)
FIFTH = 5
PICTURE = Path("docs/learning_curve.png")
QUICK = ("figures=false", "tracking.system_metrics=false")


def main() -> None:
    """Prints the table and draws the figure."""
    folder, *words = sys.argv[1:]
    shards = sorted(str(path) for path in Path(folder).absolute().glob("*.tfrecord"))
    held = shards[FIFTH - 1 :: FIFTH]
    others = [shard for shard in shards if shard not in held]
    print(f"{'shards':>8}{'videos':>10}{'GAP':>10}")
    points = []
    with tempfile.TemporaryDirectory() as runs:
        for part in PARTS:
            found = _trained(runs, others[::part], held, words or ["experiment=best_network"])
            points.append((found["videos"], found["gap"]))
            print(f"{len(others[::part]):8}{points[-1][0]:10,}{points[-1][1]:10.4f}", flush=True)
    _draw(points)


def _trained(
    runs: str, train: Sequence[str], validate: Sequence[str], words: Sequence[str]
) -> dict[str, Any]:
    """Trains, and returns what the verb says, with the number of training videos."""
    given = [f"data.train=[{','.join(train)}]", f"data.validate=[{','.join(validate)}]"]
    verb = [sys.executable, "-m", "yt8m_exp", "train", *words, *given, *QUICK]
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{runs}/mlflow.db"}
    done = subprocess.run(
        [*verb, f"tracking.runs={runs}/runs"],
        env=os.environ | store,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    schema = records.Schema({"mean_rgb": spec.RGB, "mean_audio": spec.AUDIO}, spec.CLASSES)
    return found | {"videos": scanning.scan(list(train), schema).records}


def _draw(points: Sequence[tuple[int, float]]) -> None:
    figure = style.new_figure()
    axes = style.style_axes(
        figure.subplots(), title="GAP by training videos", x="training videos", y="GAP@20"
    )
    videos, gaps = zip(*points, strict=True)
    axes.plot(videos, gaps, marker="o", color=style.BLUE)
    for point in points:
        style.annotate(axes, f"{point[1]:.3f}", point, offset=(8, -8), color=style.INK)
    axes.set_xscale("log", base=2)
    axes.set_xticks(videos, [f"{count:,}" for count in videos])
    PICTURE.write_bytes(drawing.png(figure))


if __name__ == "__main__":
    main()
