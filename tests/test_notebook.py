"""The notebook of the documentation, executed as people do."""

import re

import nbclient
import nbformat
import pytest

from tests.verbs import PROJECT

NOTEBOOK = PROJECT / "docs" / "first_steps.ipynb"


@pytest.fixture(scope="module")
def executed(store, tmp_path_factory):
    """The notebook after it ran, in a store and folders of the tests."""
    notebook = nbformat.read(NOTEBOOK, 4)
    (parameters,) = (c for c in notebook.cells if "parameters" in c.metadata.get("tags", ()))
    parameters.source = f"folder = '{tmp_path_factory.mktemp('notebook')}'"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**store.environment, "PYTHONPATH": str(PROJECT)}.items():
            patch.setenv(name, value)
        client = nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3")
        client.execute(cwd=str(NOTEBOOK.parent))
    return notebook


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def test_the_notebook_runs_from_its_first_cell_to_its_last(store, executed):
    kinds = [output.output_type for output in outputs(executed)]
    assert "error" not in kinds
    shown = [output.data for output in outputs(executed) if "data" in output]
    assert sum("image/png" in data for data in shown) == 1
    assert re.search(r"wBbo +\w+", shown[-1]["text/plain"])  # a video with a name
    version = store.client.get_model_version_by_alias("first_steps", "challenger")
    assert store.get(version.run_id).data.tags["trial.study"] == "logistic"


def test_the_notebook_is_committed_as_it_ends():
    committed = nbformat.read(NOTEBOOK, 4)
    assert sum("image/png" in output.get("data", {}) for output in outputs(committed)) == 1
    assert not re.search(r"file://|/(home|root|tmp)/", NOTEBOOK.read_text())
