import sys
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from yt8m_exp.config import schema, studies, targets
from yt8m_exp.jobs.steps.studies import study_file
from yt8m_exp.spec import InputError

HOSTILE = [
    *("os.system", "os.popen", "os.execv", "os.remove", "posix.system", "builtins.eval"),
    *("builtins.exec", "builtins.open", "builtins.__import__", "builtins.print", "sys.exit"),
    *("subprocess.run", "subprocess.Popen", "subprocess.check_output", "shutil.rmtree"),
    *("shutil.copy", "pathlib.Path", "pathlib.Path.write_text", "importlib.import_module"),
    *("pickle.loads", "pickle.load", "joblib.load", "pandas.read_pickle", "pandas.eval"),
    *("numpy.load", "yaml.unsafe_load", "runpy.run_path", "runpy.run_module", "code.interact"),
    *("webbrowser.open", "urllib.request.urlopen", "requests.get", "socket.socket"),
    *("mlflow.utils.process._exec_cmd", "mlflow.pyfunc.load_model", "mlflow.projects.run"),
    *("keras.models.load_model", "keras.saving.load_model", "keras.utils.get_file"),
    *("keras.optimizers.get", "keras.optimizers.deserialize", "keras.optimizers.sys.exit"),
    *("tensorflow.keras.models.load_model", "tensorflow.io.write_file", "tensorflow.py_function"),
    *("hydra.utils.call", "hydra.utils.get_method", "hydra.utils.instantiate"),
    *("functools.partial", "functools.reduce", "operator.attrgetter", "operator.methodcaller"),
    *("optuna.load_study", "optuna.delete_study", "optuna.samplers._base.warnings.warn"),
    *("optuna.samplers.nothing", "optuna.pruners", "optuna.storages.RDBStorage"),
    *("yt8m_exp.cli.run", "yt8m_exp.jobs.train.run", "yt8m_exp.stores.local.LocalDisk"),
    *("yt8m_exp.tuning.launchers.subprocess.start", "yt8m_exp.tuning.child.serve"),
    *("yt8m_exp.models.moe.keras.saving.load_model", "yt8m_exp.models.frames.ops.cast"),
    *("yt8m_exp.models.moe._nothing", "yt8m_exp.modelsx.build", "", ".", "build", "../x.y"),
    *(None, 3, ["os.system"], {"_target_": "os.system"}),
]
GROUPS = [*targets.OURS, *sorted({*targets.LIBRARIES} - {*targets.OURS})]
STUDY = {
    "name": "hostile",
    "overrides": [],
    "objectives": {"val/gap": "maximize"},
    "space": {"epochs": {"type": "int", "low": 1, "high": 9}},
    "trials": 1,
}
GIVEN = {"train": None, "validate": None, "fixed": [], "trials": None, "name": None}


@pytest.mark.parametrize("target", HOSTILE, ids=str)
def test_a_hostile_target_is_refused_in_every_group_at_any_depth(target):
    before = set(sys.modules)
    for group in GROUPS:
        for entry in (
            {"_target_": target},
            {"x": [{"_target_": target, "_args_": ["id"]}]},
            {"x": {"_partial_": True, "_target_": target}},
            OmegaConf.create({"x": [{"_target_": target}]}),
        ):
            with pytest.raises(InputError, match=f"The _target_ of `{group}` must be"):
                targets.build(group, entry)
    assert set(sys.modules) == before  # nothing was imported to find out


@pytest.mark.parametrize("target", HOSTILE, ids=str)
def test_a_hostile_study_is_refused_when_it_is_read(target, tmp_path):
    path = tmp_path / "hostile.yaml"
    for field in ("sampler", "pruner"):
        path.write_text(yaml.safe_dump(STUDY | {field: {"_target_": target}}))
        with pytest.raises(InputError, match=f"The _target_ of `{field}` must be"):
            study_file.read(str(path), GIVEN)
    if isinstance(target, str):
        with pytest.raises(InputError, match="The _target_ of `model` must be"):
            schema.check_value("train", "model._target_", target)
        loss = {"_target_": "yt8m_exp.training.losses.hinge", "x": {"_target_": target}}
        with pytest.raises(InputError, match="The _target_ of `loss` must be"):
            schema.check("train", {"loss": loss})


@pytest.mark.parametrize("field", ["description", "overrides", "space", "name"])
@pytest.mark.parametrize(
    "text",
    [
        "${oc.env:MY_TOKEN}",
        "${oc.env:MY_TOKEN,none}",
        r"\${oc.env:MY_TOKEN}",
        "${${name}:MY_TOKEN}",
        "${oc.decode:${name}}",
        "x${oc.env:${name}}",
        "${dollar}{oc.env:MY_TOKEN}",
    ],
)
def test_a_study_reads_no_environment(field, text, tmp_path, monkeypatch):
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    value = {"overrides": [f"tracking.run_name={text}"], "space": {"epochs": {"type": text}}}
    entries = STUDY | {field: value.get(field, text)}
    written = yaml.safe_dump({"dollar": "$", **entries})
    (tmp_path / "study.yaml").write_text(written)
    with pytest.raises(InputError, match="A study may refer to keys"):
        study_file.read(str(tmp_path / "study.yaml"), GIVEN)


@pytest.mark.parametrize(
    "word", ["hydra.callbacks={x: {_target_: os.system}}", "+hydra/launcher=x", "~hydra", "hydra=x"]
)
def test_no_override_changes_hydra_itself(word, tmp_path):
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(STUDY | {"overrides": [word]}))
    with pytest.raises(InputError, match="may not change Hydra itself"):
        study_file.read(str(tmp_path / "study.yaml"), GIVEN)


def test_a_plain_reference_is_taken():
    studies.require_plain({"overrides": ["log_every=${epochs}", "x=${spec:CLASSES}", 3, None]})


def test_one_setting_trusts_a_package(tmp_path, monkeypatch):
    package = tmp_path / "my_parts"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "heads.py").write_text("import os\n\ndef build(x=1):\n    return x\n")
    monkeypatch.syspath_prepend(tmp_path)
    entry = {"_target_": "my_parts.heads.build", "x": 3}
    with pytest.raises(InputError, match="set YT8M_TARGETS to its module"):
        targets.build("model", entry)
    monkeypatch.setenv("YT8M_TARGETS", "else, my_parts")
    assert targets.build("model", entry) == 3
    for other in ("my_parts.heads.os.system", "my_parts.heads.system", "my_partsx.heads.build"):
        with pytest.raises(InputError, match="must be"):
            targets.build("model", entry | {"_target_": other})


def test_only_trusted_modules_are_loaded_beforehand():
    launcher = "yt8m_exp.tuning.launchers.local.Local"
    targets.require("launcher", {"_target_": launcher, "preload": ["yt8m_exp.tuning.child"]})
    targets.require("launcher", OmegaConf.create({"_target_": launcher, "preload": []}))
    for entry in ({"preload": ["antigravity"]}, {"preload": "antigravity"}, {"preload": 3}):
        for given in (entry, OmegaConf.create(entry)):
            with pytest.raises(InputError, match="`preload` may name modules of yt8m_exp, mlflow"):
                targets.require("launcher", {"_target_": launcher, **given})


def test_every_target_that_is_shipped_is_allowed():
    conf = Path(__file__).parents[2] / "conf"
    for path in conf.glob("*/*.yaml"):
        group = {"head": "model", "gate": "model", "sampling": "model"}.get(
            path.parent.name, path.parent.name
        )
        targets.require(group, yaml.safe_load(path.read_text()))


@pytest.mark.parametrize(("level", "model"), [("video_level", "moe"), ("frame_level", "gru")])
def test_a_model_is_found_where_it_lies_today(level, model):
    there = f"yt8m_exp.models.{level}.{model}.build"
    assert targets.today(f"yt8m_exp.models.{model}.build") == targets.today(there) == there


def test_what_has_not_moved_stays():
    for target in ("yt8m_exp.models.heads.Logistic", "yt8m_exp.models.gone.build", "mine.build"):
        assert targets.today(target) == target
