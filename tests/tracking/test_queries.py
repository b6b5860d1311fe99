import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric
from mlflow.store.tracking.dbmodels.models import SqlParam
from sqlalchemy import event

from yt8m_exp.plots.browser import versus
from yt8m_exp.tracking import comparison, queries, store
from yt8m_exp.tracking.machine import cost

EVALUATED, JUDGED, TRIAL = "val/gap", "train/loss", {"study": "moe", "hardware": "8 cores"}


def made(client, number, tags=TRIAL):
    """A run with curves, a cost and a model."""
    run_id = client.create_run("0", tags=tags, run_name=f"run {number}").info.run_id
    values = {EVALUATED: number / 1000, JUDGED: 1.0}
    points = [Metric(key, v + s, 0, s) for key, v in values.items() for s in (20, 10)]
    spent = [Metric(cost.SECONDS, 90.0, 0, 0), Metric(cost.JOULES, 7200.0, 0, 0)]
    client.log_batch(run_id, metrics=[*points, *spent])
    model = client.create_logged_model("0", "m", run_id, params={"parameters": "5"})
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    return run_id


@pytest.fixture
def client(folder):
    return MlflowClient()


@pytest.fixture
def statements(client):
    """Counts what is asked of the database."""
    seen = []
    engine = client._tracking_client.store.engine
    event.listen(engine, "before_cursor_execute", lambda *told: seen.append(told[2]))
    return seen


def test_twenty_runs_take_as_many_queries_as_two(client, statements):
    ids = [made(client, number) for number in range(20)]
    counts = []
    for some in (ids[:2], ids):
        statements.clear()
        found = comparison.find(client, "Default", some, None, most=12)
        described = comparison.describe(client, found)
        assert [run.run_id for run in described] == some
        counts.append(len(statements))
    assert counts[0] == counts[1]


def test_a_run_is_described_by_its_curve_cost_device_and_study(client):
    ids = [made(client, number) for number in range(2)]
    first, _ = comparison.describe(client, comparison.find(client, "", ids, None, most=2))
    assert first.curve == [(10, 10.0), (20, 20.0)]
    expected = {"minutes": 1.5, "watt hours": 2.0, "examples": 20, "parameters": 5}
    assert first.cost == expected
    assert (first.device, first.study) == ("8 cores", "moe")


def test_names_of_runs_that_are_compared_leave_out_what_all_have(client):
    names = ["moe · 10 videos · lr 0.1", "moe · 10 videos · lr 0.2", "dbof · 10 videos"]
    ids = [client.create_run("0", run_name=name).info.run_id for name in names]
    runs = comparison.find(client, "", ids, None, most=2)
    shown = [run.name for run in comparison.describe(client, runs)]
    assert shown == ["moe · lr 0.1", "moe · lr 0.2", "dbof"]


def test_the_costs_of_studies_are_added_up(client):
    ids = [made(client, number) for number in range(9)] + [made(client, 9, tags={})]
    runs = comparison.describe(client, comparison.find(client, "", ids, None, most=2))
    page = versus.render(runs, (), None)
    assert "<td>moe</td><td class=number>9</td><td class=number>180</td>" in page
    assert "<td class=number>13.5</td><td class=number>18.0</td><td>8 cores</td>" in page
    assert page.count("<td>run ") == 2 * len(ids)  # a row each: metrics are none


def test_more_points_than_an_answer_holds_are_all_read(client, monkeypatch):
    ids = [made(client, number) for number in range(3)]
    monkeypatch.setattr(queries, "MOST_POINTS", 4)
    found = queries.points(client, ids, EVALUATED)
    assert [[point.step for point in found[run_id]] for run_id in ids] == [[10, 20]] * 3


def test_a_search_by_plain_rows_answers_as_that_of_mlflow(client):
    for number in range(3):
        run_id = made(client, number)
        client.log_param(run_id, "model", "moe")
        client.log_metric(run_id, EVALUATED, float("nan") if number else 0.5)
    client.create_run("0", run_name="nothing is logged")
    asked = (["0"], "params.model = 'moe'"), {"max_results": 2, "order_by": ["run_id ASC"]}
    for words, options in (asked, ((["0"],), {})):
        found = queries.search(client, *words, **options)
        theirs = client.search_runs(*words, **options)
        assert [str(run.to_dictionary()) for run in found] == [
            str(run.to_dictionary()) for run in theirs
        ]
    assert theirs[-1].data.params == {"model": "moe"}  # of MLflow's own search, once more


def test_a_search_makes_no_object_of_a_parameter(client):
    run_ids = [made(client, number) for number in range(2)]
    loaded = []
    listened = (SqlParam, "load", lambda *told: loaded.append(told))
    client.log_param(run_ids[0], "model", "moe")
    event.listen(*listened)
    queries.search(client, ["0"])
    event.remove(*listened)
    assert not loaded


def test_a_server_answers_as_its_database_does(tracking_server):
    client = MlflowClient(tracking_server.uri)
    experiment = client.create_experiment("queries")
    ids = [client.create_run(experiment).info.run_id for _ in range(3)]
    for number, run_id in enumerate(ids):
        for step in (2, 1):
            client.log_metric(run_id, EVALUATED, number + step, step=step)
    found = queries.points(client, ids, EVALUATED)
    for number, run_id in enumerate(ids):
        seen = [(point.step, point.value) for point in found[run_id]]
        assert seen == [(1, number + 1), (2, number + 2)]
    assert queries.runs(client, [ids[1], "0" * 32]).keys() == {ids[1]}
    assert f"/#/experiments/{experiment}/runs/{ids[0]}?" in store.address(
        client, experiment, ids[0]
    )
