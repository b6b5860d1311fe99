import json

from yt8m_exp.terminal.summary import Summary


def test_numbers_have_four_digits_wherever_they_stand(capsys):
    rows = {"gap": 0.123456, "rate": 1234.56, "videos": 28792, "interval": [-0.0673341, 0.1889483]}
    Summary("A model", rows | {"promoted": True}, hints={"Look": "mlflow ui"}).show()
    shown = capsys.readouterr().err
    for text in ("0.1235", "1,234.6", "28,792", "[-0.06733, 0.1889]", "True", "Look: mlflow ui"):
        assert text in shown


def test_in_a_file_a_uri_stays_in_one_line(capsys):
    uri = f"models:/m-{'0123456789abcdef' * 2}"
    Summary("A study", {"best_model_uri of all trials in it": uri}).show()
    assert uri in capsys.readouterr().err


def test_the_line_of_json_holds_no_value_that_json_has_not():
    line = Summary("A model", {"map": float("nan"), "interval": [0.5, float("inf")]}).json()
    assert json.loads(line) == {"map": None, "interval": [0.5, None]}
