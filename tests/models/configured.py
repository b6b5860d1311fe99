"""Models as the files of `conf/model/` describe them, in sizes for tests."""

import random
from collections.abc import Mapping
from copy import deepcopy
from functools import cache

from omegaconf import DictConfig, OmegaConf

from yt8m_exp.config import compose, groups

MODELS = groups.choices("model")
FRAME_LEVEL = [
    name for name in MODELS if "/sampling@" in (groups.CONF / "model" / f"{name}.yaml").read_text()
]
"""Those that take frames: their files choose how frames are sampled."""
LARGEST = 16
FEWEST = {"branches": 2, "top": 2, "samples": 3}
"""Numbers of parts that are alike, and of sampled frames, of which some videos have fewer."""


def seed(number: int) -> None:
    """Seeds all that Keras draws.

    `keras.utils.set_random_seed` would also empty TensorFlow's cache of kernels, and to fill it
    again takes longer than most tests of a model.
    """
    random.seed(number)


@cache
def config(name: str, *overrides: str) -> DictConfig:
    """The configuration of a model, for reading; overrides are keys of the model, as `head=moe`."""
    words = [f"model.{override}" for override in overrides]
    model = compose.compose(f"model/{name}", words).model  # as in `train`, in half the time
    OmegaConf.set_readonly(model, True)
    return model


def is_frame_level(name: str) -> bool:
    return "sampling" in config(name)


def shrink(model: DictConfig) -> DictConfig:
    """Lowers every size above `LARGEST`, whatever it is called, and the numbers of alike parts."""
    for key, value in model.items():
        if isinstance(value, DictConfig):
            shrink(value)
        elif type(value) is int:
            model[key] = min(value, FEWEST.get(key, LARGEST))
    return model


def build(name: str, features: Mapping[str, int], classes: int, *overrides: str):
    """Builds a model as its file says, with overrides."""
    return _built(config(name, *overrides), features, classes)


def build_small(name: str, features: Mapping[str, int], classes: int, *overrides: str):
    """Builds a model as its file says, with overrides, in a small size."""
    return _built(_small(name, *overrides), features, classes)


def _built(model: DictConfig, features: Mapping[str, int], classes: int):
    from hydra.utils import instantiate

    return instantiate(model, features=dict(features), classes=classes)


@cache
def _small(name: str, *overrides: str) -> DictConfig:
    model = deepcopy(config(name, *overrides))
    OmegaConf.set_readonly(model, None)
    return shrink(model)
