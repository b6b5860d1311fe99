"""What does the page of an evaluation cost, and how long does a browser take to open and filter it?

    python -m benchmarks.pages [videos] [page]

Needs Chromium. With a second argument, the page is written there.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.metrics import BATCH, batch
from tests.plots.chromium import CHROMIUM, OPTIONS
from yt8m_exp import spec
from yt8m_exp.data import vocabulary
from yt8m_exp.evaluation.ranking import Ranking
from yt8m_exp.evaluation.sample import Sample
from yt8m_exp.plots.browser import page as browser

EVALUATED_PER_SECOND = 14_000
"""Videos that `eval` scores; see `benchmarks.inference`."""
SCRIPT = """
const seconds = { open: performance.now() / 1000 };
const timed = (name, id, value) => {
  const field = document.getElementById(id), begin = performance.now();
  field.value = value; field.dispatchEvent(new Event("input")); document.body.offsetHeight;
  seconds[name] = (performance.now() - begin) / 1000; };
timed("filter by a class", "text", "guitar"); timed("filter by a letter", "text", "a");
timed("show all again", "text", ""); timed("filter by a vertical", "vertical", 3);
document.body.append(Object.assign(document.createElement("pre"),
  { id: "seconds", textContent: JSON.stringify(seconds) }));
"""


def main() -> None:
    """Prints one line a measure for made-up predictions of about the real statistics."""
    videos = int(sys.argv[1]) if len(sys.argv) > 1 else 11_000
    rng, ranking, sample, adding = np.random.default_rng(0), Ranking(spec.CLASSES), Sample(), 0.0
    for start in range(0, videos, BATCH):
        scores, class_ids, labels = batch(rng, min(BATCH, videos - start))
        ids = np.array([b"%04x" % n for n in range(start, start + len(scores))], object)
        ranking.update(scores, class_ids, labels)
        begin = time.process_time()
        sample.add({"id": ids, "labels": labels}, scores, class_ids)
        adding += time.process_time() - begin
    evaluating = videos / EVALUATED_PER_SECOND
    _row("sampling, as a share of evaluating", adding / evaluating, "")
    ranked = ranking.result()
    begin = time.process_time()
    found = sample.result()
    words = vocabulary.read("sample/vocabulary.csv", spec.CLASSES)
    columns = {"videos": ranked.positives, "AP": ranked.ap}
    page = browser.render("Pages", [], [browser.Model("model", found)], words, columns)
    _row("making the page, processor time", time.process_time() - begin, "s")
    _row("the page", len(page.encode()) / 1e6, "MB")
    if len(sys.argv) > 2:
        Path(sys.argv[2]).write_text(page)
    for name, seconds in _browsed(page).items():
        _row(name, seconds, "s")


def _browsed(page: str) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(f"{page}<script>{SCRIPT}</script>")
        words = [str(CHROMIUM), *OPTIONS, f"--user-data-dir={folder}/profile", "--dump-dom"]
        done = subprocess.run([*words, str(path)], capture_output=True, text=True, check=True)
    (found,) = re.findall(r'<pre id="seconds">(.*?)</pre>', done.stdout)
    return json.loads(found)


def _row(name: str, value: float, unit: str) -> None:
    print(f"{name:36}{value:8.3f} {unit}")


if __name__ == "__main__":
    main()
