"""Compares runs on one page of HTML."""

from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from yt8m_exp.config import compose
from yt8m_exp.evaluation import metrics
from yt8m_exp.plots.browser import versus
from yt8m_exp.plots.browser.page import Model
from yt8m_exp.plots.browser.versus import Pair
from yt8m_exp.terminal.redaction import redact_page
from yt8m_exp.terminal.summary import Summary
from yt8m_exp.tracking import comparison, store
from yt8m_exp.tracking.pages import browser
from yt8m_exp.tracking.pages.browser import Logged


def run(cfg: DictConfig) -> Summary:
    """Compares as a configuration of `conf/compare.yaml` says; no run is opened.

    Returns:
        The ids of the runs, the page, and on how many videos two models were compared.

    Raises:
        InputError: a run does not exist, or fewer than two are found.
    """
    client = store.connect()
    experiment, ids = cfg.tracking.experiment, compose.plain(cfg)["runs"]
    runs = comparison.find(client, experiment, ids, cfg.filter, most=cfg.most)
    compared = comparison.describe(client, runs)
    pair = None
    if logged := comparison.predictions(client, runs):
        pair = _pair(logged, [found.name for found in compared])
    output = Path(cfg.output).absolute()
    output.write_text(redact_page(versus.render(compared, metrics.TABLE, pair)))
    result = {
        "runs": [found.run_id for found in compared],
        "output": str(output),
        "shared_videos": len(pair.models[0].found.ids) if pair else None,
    }
    gaps = {found.name: found.values.get(metrics.GAP.key, "not measured") for found in compared}
    hint = {} if pair else {"Compare videos": "evaluate both models on the same shards first"}
    return Summary(f"{len(compared)} runs", result, {**gaps, "output": str(output)}, hint)


def _pair(logged: list[Logged], names: list[str]) -> Pair:
    first, second = logged
    models = [Model(name, found) for name, found in zip(names, browser.shared(logged), strict=True)]
    return Pair(models, np.array([first.ap, second.ap]), first.positives, first.words)
