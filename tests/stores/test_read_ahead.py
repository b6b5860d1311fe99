import itertools

from yt8m_exp.stores.cache import Cache
from yt8m_exp.stores.read_ahead import read_ahead


def test_what_is_here_is_not_waited_for():
    asked = []
    items = (asked.append(number) or number for number in itertools.count())
    found = read_ahead(items, lambda number: [], Cache())
    assert next(found) == 0
    assert asked == [0]
    found.close()
