from yt8m_exp.terminal import summary


def test_numbers_have_four_digits_wherever_they_stand(capsys):
    rows = {"gap": 0.123456, "rate": 1234.56, "videos": 28792, "interval": [-0.0673341, 0.1889483]}
    summary.show("A model", rows | {"promoted": True}, {"Look": "mlflow ui"})
    shown = capsys.readouterr().err
    for text in ("0.1235", "1,234.6", "28,792", "[-0.06733, 0.1889]", "True", "Look: mlflow ui"):
        assert text in shown
