import shlex

from yt8m_exp.tracking.pages import cards

PATTERN = "'data.train=[a folder/*.tfrecord]'"
COMMAND = (
    f"yt8m train model=moe {PATTERN} learning_rate=0.0064664227174145595 model.dropout=0.39 x=1"
)


def test_a_command_is_broken_between_words_and_stays_the_same_command():
    first, *lines, last = cards.code(COMMAND).splitlines()
    assert first == last == "```"
    assert len(lines) == 2
    assert all(len(line) <= 90 for line in lines)
    assert shlex.split(" ".join(line.removesuffix("\\") for line in lines)) == shlex.split(COMMAND)


def test_a_part_of_an_epoch_is_told():
    assert cards.trained_on(2950, 5900) == "trained on 2,950 videos"
    assert cards.trained_on(2950, 896) == "trained on 896 of 2,950 videos"
    assert cards.trained_on(2950, 896, is_exact=False) == "trained on 896 of about 2,950 videos"


def test_columns_of_a_table_have_gaps():
    table = cards.table(["GAP@20", "mAP"], [["0.7", "0.3"]])
    assert table.splitlines() == ["| GAP@20&emsp; | mAP |", "| --- | --- |", "| 0.7&emsp; | 0.3 |"]
