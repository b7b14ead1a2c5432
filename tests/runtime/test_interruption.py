import signal
import threading

import pytest

from lstm_jax.runtime.interruption import Interruption

BOTH = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]


@pytest.fixture(autouse=True)
def handlers():
    """Handlers that tell when they are called; the ones before them come back."""
    called = []
    before = {number: signal.getsignal(number) for number, _ in BOTH}
    for number in before:
        signal.signal(number, lambda number, _: called.append(number))
    yield called
    for number, handler in before.items():
        signal.signal(number, handler)


def test_no_signal_is_no_interruption(handlers):
    with Interruption() as interruption:
        assert not interruption
    for number, _ in BOTH:
        signal.raise_signal(number)
    assert handlers == [number for number, _ in BOTH], "the handlers before are back"


@pytest.mark.parametrize(("number", "error"), BOTH)
def test_a_signal_is_remembered(number, error, handlers):
    with Interruption() as interruption:
        signal.raise_signal(number)
        assert interruption
        assert handlers == []
    raised = interruption.exception()
    assert type(raised) is error
    if isinstance(raised, SystemExit):
        assert raised.code == 128 + signal.SIGTERM == 143


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_then_ctrl_c_goes_to_the_handler_before_and_sigterm_changes_nothing(first, handlers):
    with Interruption() as interruption:
        signal.raise_signal(first)
        signal.raise_signal(signal.SIGTERM)
        assert handlers == []
        signal.raise_signal(signal.SIGINT)
        assert handlers == [signal.SIGINT]
        assert interruption.signal is first
    signal.raise_signal(signal.SIGTERM)
    assert handlers == [signal.SIGINT, signal.SIGTERM]


def test_the_handlers_before_are_back_after_an_error(handlers):
    with pytest.raises(ZeroDivisionError), Interruption():
        raise ZeroDivisionError
    signal.raise_signal(signal.SIGTERM)
    assert handlers == [signal.SIGTERM]


def test_outside_the_main_thread_signals_are_left_alone(handlers):
    failures = []

    def run():
        try:
            with Interruption() as interruption:
                assert not interruption
                assert signal.getsignal(signal.SIGINT) is before
        except BaseException as error:
            failures.append(error)

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failures
