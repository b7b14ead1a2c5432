"""Stopping in good order when a signal asks for it."""

import itertools
import signal
import threading
from collections.abc import Iterable
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")


class Interruption:
    """Remembers SIGINT (Ctrl-C) and SIGTERM inside a `with` block, for a loop to act upon.

    After the first signal Ctrl-C has the handler back that stood before, so that a second one ends
    the program at once. Another SIGTERM changes nothing: a scheduler sends it to every process of a
    job, and those that have started others pass it on. Outside the main thread signals cannot be
    caught, and nothing is done.
    """

    def __init__(self):
        self.signal: signal.Signals | None = None
        self._previous: dict[signal.Signals, Any] = {}

    def __bool__(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def ends(self, items: Iterable[T]) -> Iterable[T]:
        """The items up to the moment when a signal comes."""
        return itertools.takewhile(lambda _: not self, items)

    def exception(self) -> BaseException:
        """What ends the program: KeyboardInterrupt for Ctrl-C, else SystemExit(128 + signal)."""
        if self.signal is signal.SIGINT:
            return KeyboardInterrupt()
        return SystemExit(128 + (self.signal or 0))

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *error: object) -> None:
        self._restore()

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = self.signal or signal.Signals(number)
        if signal.SIGINT in self._previous:
            signal.signal(signal.SIGINT, self._previous.pop(signal.SIGINT))

    def _restore(self) -> None:
        while self._previous:
            signal.signal(*self._previous.popitem())
