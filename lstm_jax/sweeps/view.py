"""How samplers and pruners see a sweep: one row for each trial."""

import copy
from collections.abc import Callable, Container
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from lstm_jax.sweeps.trials import State, Trial, read_trials

Rows = list[FrozenTrial]


class View:
    """An Optuna study in which some rows are left out or changed; otherwise the study itself."""

    def __init__(self, study: Any, shown: Callable[[Rows], Rows]):
        """Of an `optuna.Study` or another view; `shown` makes of its rows those that are there."""
        self._study, self._shown = study, shown

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> Rows:
        """The rows in these states, or all."""
        del deepcopy  # nobody changes them
        rows = self._shown(self._study.get_trials(deepcopy=False))
        return [row for row in rows if states is None or row.state in states]

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> Rows:
        del use_cache
        return self.get_trials(deepcopy, states)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._study, name)


def one_row_each(study: Any) -> View:
    """A study with the last row of each trial alone.

    Earlier rows are attempts that died: left in, a trial that was gone on with would compete with
    itself.
    """
    return View(study, lambda rows: [_as_seen(trial) for trial in read_trials(rows)])


def _as_seen(trial: Trial) -> FrozenTrial:
    """TPE ranks what was pruned by how far it came. What diverged it has to rank last."""
    if trial.state is not State.DIVERGED:
        return trial.last
    row = copy.copy(trial.last)
    row.intermediate_values = {}
    return row
