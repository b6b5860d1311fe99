import signal
import threading

import pytest

from yt8m_exp.training.interrupts import SIGNALS, noted


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_noted_and_nothing_breaks_off(number):
    with noted() as interrupt:
        assert not interrupt
        signal.raise_signal(number)
        assert interrupt
        assert interrupt.signal == number


def test_a_second_ctrl_c_breaks_off():
    with noted():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_the_handlers_from_before_come_back():
    before = [signal.getsignal(number) for number in SIGNALS]
    with noted():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_outside_the_main_thread_nothing_is_touched():
    before = [signal.getsignal(number) for number in SIGNALS]
    seen = []

    def work():
        with noted() as interrupt:
            seen.append((bool(interrupt), [signal.getsignal(number) for number in SIGNALS]))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]
