"""What a person sees of a run: a progress bar, TensorBoard events and a picture of the curves.

Clocks appear here and nowhere else, so that the metrics log of a run does not depend on its speed.
"""

import io
import math
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from lstm_jax.errors import StorageError
from lstm_jax.files import write_atomically
from lstm_jax.metrics.means import format_metric

CURVES = "learning_curves.png"
_T = TypeVar("_T")

_TERMINAL_INTERVAL = 0.2
_LINE_INTERVAL = 30.0
_PICTURE_INTERVAL = 20.0
_SPEED_MEMORY = 10.0
"""Seconds over which the speed beside the bar is averaged."""


class Reporter:
    """Shows the progress of a run and writes what TensorBoard reads. Use it in a `with` statement.

    On a terminal a bar moves; elsewhere (a log file, a notebook) a line is printed every 30 s.
    """

    def __init__(self, workdir: Path, total_steps: int, first_step: int = 0, unit: str = "tokens"):
        """Opens a new event file.

        Args:
            workdir: the run directory.
            total_steps: the number of the last step of the run.
            first_step: the steps done before this process. TensorBoard then hides what a killed
                process wrote after them.
            unit: what the items are whose number per second is shown.

        Raises:
            StorageError: the disk is full or refuses to be written.
        """
        self._workdir = workdir
        self._total, self._first, self._unit = total_steps, first_step, unit
        # Not before a run begins: tensorboardX imports PyTorch where it is installed, in seconds.
        from lstm_jax.reporting.events import EventFile

        self._events = EventFile(workdir)
        self._events.start(first_step + 1)
        self._terminal = sys.stderr.isatty()
        # tqdm only draws; `step` decides when, at the cost of one look at the clock.
        self._bar = tqdm(
            total=total_steps,
            initial=first_step,
            unit="step",
            disable=not self._terminal,
            mininterval=0,
            dynamic_ncols=True,
        )
        self._started = self._shown = time.perf_counter()
        self._step, self._postfix = first_step, dict[str, Any]()
        self._undrawn: Mapping[str, Mapping[str, np.ndarray]] = {}
        self._drawn = -math.inf
        self._previous: float | None = None
        self._recent = (0.0, 0.0)
        self._since_scalars = (0.0, 0.0)

    def step(self, step: int, items: int, **postfix: Any) -> None:
        """Tells that training has come to `step`, with `items` more tokens (or examples).

        What `postfix` holds, such as the loss, is shown beside the bar. It is converted to numbers
        only when shown, so that arrays on a device are not waited for at every step.
        """
        now = time.perf_counter()
        # The first call is not timed: it has compiled the step.
        if self._previous is not None:
            seconds = now - self._previous
            fade = math.exp(-seconds / _SPEED_MEMORY)
            self._recent = (self._recent[0] * fade + items, self._recent[1] * fade + seconds)
            counted = self._since_scalars
            self._since_scalars = (counted[0] + items, counted[1] + seconds)
        self._previous = now
        self._step, self._postfix = step, postfix
        if now - self._shown >= (_TERMINAL_INTERVAL if self._terminal else _LINE_INTERVAL):
            self._show()
            self._shown = now

    def scalars(
        self, step: int, split: str, values: Mapping[str, int | float | np.generic]
    ) -> None:
        """Writes metrics of a split to TensorBoard, as `split/name`; with "train", the speed too.

        Time between the last call of `step` and this one does not count as training, so that
        evaluation does not lower the speed.

        Raises:
            StorageError: the disk is full or refuses to be written.
        """
        tags = {f"{split}/{name}": float(value) for name, value in values.items()}
        if split == "train" and self._since_scalars[1] > 0:
            items, seconds = self._since_scalars
            tags[f"train/{self._unit}_per_second"] = items / seconds
            self._since_scalars = (0.0, 0.0)
        self._events.scalars(step, tags)
        self._resume_clock()

    def message(self, text: str) -> None:
        """Prints a line above the bar."""
        say(text)
        self._resume_clock()

    def curves(self, metrics: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        """Draws `learning_curves.png` anew from what `run_directory.read_metrics` returns.

        Drawing takes half a second, so it is put off where the last picture is younger than 20
        seconds; `close` draws what was put off.

        Raises:
            StorageError: the disk is full or refuses to be written; an older picture stays.
        """
        self._undrawn = metrics
        if time.perf_counter() - self._drawn >= _PICTURE_INTERVAL:
            self._draw()
        self._resume_clock()

    def close(self) -> None:
        """Shows where the run has come to and closes the event file.

        Raises:
            StorageError: the disk is full or refuses to be written.
        """
        if self._step > self._first:
            self._show()
        self._bar.close()
        self._events.close()
        self._draw()

    def __enter__(self) -> "Reporter":
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        try:
            self.close()
        except StorageError:
            # A full disk has stopped the training already: its error says so.
            if error is None:
                raise

    def _draw(self) -> None:
        from lstm_jax.reporting.curves import draw_curves

        figure = draw_curves(self._undrawn)
        if figure is not None:
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=120)
            write_atomically(self._workdir / CURVES, picture.getvalue())
            self._undrawn, self._drawn = {}, time.perf_counter()

    def _resume_clock(self) -> None:
        if self._previous is not None:
            self._previous = time.perf_counter()

    def _show(self) -> None:
        shown = [f"{name}={float(value):.4g}" for name, value in self._postfix.items()]
        if self._recent[1] > 0:
            shown.insert(0, f"{self._recent[0] / self._recent[1]:,.0f} {self._unit}/s")
        if self._terminal:
            self._bar.set_postfix_str(", ".join(shown), refresh=False)
            self._bar.update(self._step - self._bar.n)
        else:
            places = (self._step, self._total, time.perf_counter() - self._started)
            tail = ", ".join(shown)
            line = tqdm.format_meter(
                *places, ncols=0, unit="step", initial=self._first, postfix=tail
            )
            print(line.strip(), file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Prints a line to people, above the bar if there is one."""
    tqdm.write(text, file=sys.stderr)


def progress_bar(batches: Iterable[_T], title: str) -> Iterable[_T]:
    """The same batches; a terminal shows how many of them are done."""
    return tqdm(batches, desc=title, unit="batch", leave=False, disable=None, dynamic_ncols=True)


def describe_evaluation(step: int, epoch: float, metrics: Mapping[str, float]) -> str:
    """A line for people: `epoch 2.0, step 4646: validation nats_per_token 4.871, ...`."""
    figures = (f"{name} {format_metric(value)}" for name, value in metrics.items())
    return f"epoch {epoch:.3g}, step {step}: validation {', '.join(figures)}"
