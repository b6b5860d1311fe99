"""What libraries would do again and again in this process, and in those forked from it."""

import pickle
from functools import cache
from pathlib import Path


def read_schema() -> None:
    """Lets MLflow look up the newest schema of databases once.

    MLflow 3.17 reads 68 files for it whenever a database is opened.
    """
    from mlflow.store.db import utils

    find = utils._get_latest_schema_revision
    if not hasattr(find, "cache_info"):
        utils._get_latest_schema_revision = cache(find)
    utils._get_latest_schema_revision()


def read_configurations() -> None:
    """Lets Hydra read a file once while it stays as it is: tests compose 1,700 times."""
    from hydra._internal.config_repository import ConfigRepository

    load = ConfigRepository.load_config
    known: dict[object, bytes] = {}

    def loaded(repository, config_path):  # type: ignore[no-untyped-def]
        places = [Path(source.path, f"{config_path}.yaml") for source in repository.sources]
        files = tuple((str(p), p.stat().st_mtime_ns if p.exists() else None) for p in places)
        if files not in known:
            known[files] = pickle.dumps(load(repository, config_path))
        return pickle.loads(known[files])

    ConfigRepository.load_config = loaded  # type: ignore[method-assign]
