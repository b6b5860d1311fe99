import subprocess
import sys

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from tests.verbs import PROJECT
from yt8m_exp.config import compose


def test_changes_are_the_values_that_differ_from_the_defaults():
    cfg = compose.compose("train", ["epochs=3", "model=moe", "~data.features.mean_rgb"])
    changes = compose.changes("train", cfg)
    assert changes["epochs"] == 3
    assert changes["model"]["_target_"] == "yt8m_exp.models.video_level.moe.build"
    assert "precision" not in changes
    assert "data.features.mean_audio" not in changes


def test_another_choice_of_a_group_changes_it_as_a_whole():
    changes = compose.changes("train", compose.compose("train", ["optimizer=sgd", "loss=hinge"]))
    assert set(changes) == {"optimizer", "loss"}
    assert "beta_1" not in changes["optimizer"]
    assert "epsilon" not in changes["loss"]


def test_a_value_of_a_group_changes_alone():
    cfg = compose.compose("train", ["optimizer.beta_1=0.8", "clip.norm=1"])
    assert compose.changes("train", cfg) == {"optimizer.beta_1": 0.8, "clip.norm": 1}


def test_a_process_has_the_configuration_of_hydras_main_and_knows_its_own_words():
    words = ["model=moe", "+model.mine=[1,a]", "epochs=3", "~data.features.mean_rgb"]
    with compose.of_process("train", words) as cfg:
        values = compose.plain(cfg)
        assert compose.given() == {"model", "model.mine", "epochs", "~data.features.mean_rgb"}
    assert not HydraConfig.initialized()
    shown = [sys.executable, "-m", "yt8m_exp.train", *words, "--cfg", "job", "--resolve"]
    text = subprocess.run(shown, cwd=PROJECT, capture_output=True, check=True, text=True).stdout
    assert values == OmegaConf.to_container(OmegaConf.create(text))


def test_files_of_hydra_itself_are_left_out():
    choices = compose.compose("train", choices=True).hydra.runtime.choices
    assert choices["model"] == "logistic"
    assert not [key for key, choice in choices.items() if key.startswith("hydra/") and choice]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (PROJECT / "conf" / "experiment").glob("*.yaml"))
)
def test_every_experiment_composes_and_resolves(name):
    cfg = compose.compose("train", [f"experiment={name}"])
    OmegaConf.resolve(cfg)
    assert cfg != compose.compose("train")


@pytest.mark.parametrize("verb", ["train", "eval", "inference", "sweep"])
def test_every_configuration_composes_and_resolves(verb):
    cfg = compose.compose(verb)
    OmegaConf.resolve(cfg)
    assert cfg.tracking.experiment == "yt8m"


def test_a_team_sets_studies_and_cache_by_variables(monkeypatch):
    assert compose.compose("train").data.cache.folder is None
    monkeypatch.setenv("YT8M_STUDIES", "postgresql+psycopg://optuna@host/optuna")
    monkeypatch.setenv("YT8M_CACHE", "/data/cache")
    assert compose.compose("sweep", ["sweep=moe"]).storage.startswith("postgresql")
    assert compose.compose("train").data.cache.folder == "/data/cache"
