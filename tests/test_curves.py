"""The curves of runs, as a table and for TensorBoard."""

import csv

from tests.verbs import CURVES


def test_a_table_holds_each_point_of_each_curve(store, trained, tmp_path):
    words = (f"runs=[{trained['run_id']}]", f"output={tmp_path}/curves.csv")
    result = store.done("compare", *words)
    rows = list(csv.DictReader((tmp_path / "curves.csv").read_text().splitlines()))
    assert result["points"] == len(rows)
    for key in CURVES:
        found = [(int(row["step"]), float(row["value"])) for row in rows if row["metric"] == key]
        assert found == store.curve(trained["run_id"], key)
    assert {row["run_id"] for row in rows} == {trained["run_id"]}


def test_tensorboard_reads_the_curves_of_all_runs_of_a_filter(store, trained, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    words = ("filter=metrics.`val/gap` > 0", f"output={tmp_path}/board/", "most=1000")
    result = store.done("compare", *words)
    assert trained["run_id"] in result["runs"]
    (folder,) = (tmp_path / "board").glob(f"*{trained['run_id'][:6]}")
    read = EventAccumulator(str(folder)).Reload()
    assert "val/gap" in read.Tags()["scalars"]
    for key in CURVES:
        found = [(event.step, event.value) for event in read.Scalars(key)]
        assert [step for step, _ in found] == [s for s, _ in store.curve(trained["run_id"], key)]


def test_a_run_that_does_not_exist_is_named(store, trained, tmp_path):
    outcome = store.run("compare", "runs=[nothing]", f"output={tmp_path}/c.csv")
    assert outcome.status == 2
    assert "'nothing'" in outcome.sentence
