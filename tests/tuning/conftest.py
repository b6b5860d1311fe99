"""Studies in a folder of their own, driven by processes of their own."""

import json
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

from tests.verbs import SCORED, SHARD, Outcome, Running, Store
from yt8m_exp.config.overrides import override
from yt8m_exp.tuning.storage import open_storage

RATE = {"type": "float", "low": 0.001, "high": 0.05, "log": True}


class Studies:
    """A folder with one study, and the drivers that work on it."""

    def __init__(self, store: Store, folder: Path):
        self.store, self.folder = store, folder
        self.name = folder.name
        self.url = str(folder / "studies.journal")
        self.drivers: list[Running] = []
        self.study: dict[str, Any] = {
            "name": self.name,
            "overrides": [f"data.train={SHARD}", f"data.validate={SCORED}"],
            "objectives": {"val/gap": "maximize"},
            "trials": 4,
            "space": {"learning_rate": RATE},
            "sampler": {"_target_": "optuna.samplers.RandomSampler", "seed": 0},
        }

    def start(
        self, *words: str, work: str = "curve", figures: bool = False, **changes: Any
    ) -> Running:
        file = self.folder / f"study-{len(self.drivers)}.yaml"  # another may still read the last
        file.write_text(yaml.safe_dump(self.study | changes, sort_keys=False))
        given = (
            f"sweep={file}",
            override("storage", self.url),
            "tracking.system_metrics=false",
            f"figures={json.dumps(figures)}",
            *(
                []
                if any(word.startswith("launcher") for word in words)
                else ["launcher.preload=[]"]
            ),
            *words,
        )
        running = self.store.start("sweep", *given, work=f"tests.tuning.works:{work}")
        self.drivers.append(running)
        return running

    def drive(self, *words: str, **changes: Any) -> Outcome:
        return self.start(*words, **changes).wait()

    def done(self, *words: str, **changes: Any) -> dict[str, Any]:
        outcome = self.drive(*words, **changes)
        assert outcome.status == 0, outcome.err
        return outcome.result

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        with closing(open_storage(self.url)) as storage:
            if self.name not in optuna.get_all_study_names(storage.optuna):
                return []
            return optuna.load_study(study_name=self.name, storage=storage.optuna).trials

    @property
    def parent(self) -> str:
        """The run of the study."""
        known = next(trial for trial in self.trials if "run_id" in trial.user_attrs)
        return self.run(known).data.tags["mlflow.parentRunId"]

    def states(self) -> list[str]:
        return [trial.state.name for trial in self.trials]

    def run(self, trial: optuna.trial.FrozenTrial) -> Any:
        return self.store.get(trial.user_attrs["run_id"])

    def output(self, trial: optuna.trial.FrozenTrial) -> str:
        return Path(self.store.runs, trial.user_attrs["run_id"], "output.log").read_text()


@pytest.fixture
def studies(store: Store, tmp_path: Path) -> Iterator[Studies]:
    made = Studies(store, tmp_path)
    yield made
    for driver in made.drivers:
        if driver.process.is_alive():
            os.kill(driver.process.pid or 0, signal.SIGKILL)
