"""Optuna's pruners, which end trials early."""

import copy
import math
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from optuna.trial import FrozenTrial

from lstm_jax.experiment import Experiment
from lstm_jax.sweeps.sweep import Sweep
from lstm_jax.sweeps.trials import FIRST
from lstm_jax.sweeps.view import Rows, View


def pruner(sweep: Sweep, evaluations: int | None) -> BasePruner:
    """What ends trials early.

    Args:
        sweep: the sweep.
        evaluations: of a whole trial, where they are known.
    """
    match sweep.pruner:
        case "median":
            return MedianPruner(n_startup_trials=sweep.startup, n_warmup_steps=sweep.warmup)
        case "successive_halving":
            return SuccessiveHalvingPruner(
                min_resource=sweep.warmup, reduction_factor=sweep.reduction
            )
        case "hyperband":
            return _Hyperband(
                min_resource=sweep.warmup,
                max_resource=evaluations or "auto",
                reduction_factor=sweep.reduction,
            )
    return optuna.pruners.NopPruner()


def evaluations(experiment: Experiment) -> int | None:
    """How often a run is evaluated, or None where that takes looking at its data."""
    every = experiment.evaluate_every
    if experiment.steps is not None and every is not None:
        return math.ceil(experiment.steps / every)
    if experiment.epochs is not None and every is None:
        return math.ceil(experiment.epochs)
    return None


class _Hyperband(HyperbandPruner):
    """Keeps a trial in its bracket when another worker goes on with it.

    Optuna's own draws the bracket by the number of a row.
    """

    def _get_bracket_id(self, study: Any, trial: FrozenTrial) -> int:
        row = copy.copy(trial)
        row.number = trial.user_attrs.get(FIRST, trial.number)
        return super()._get_bracket_id(study, row)

    def _create_bracket_study(self, study: Any, bracket_id: int) -> Any:
        def in_bracket(rows: Rows) -> Rows:
            return [row for row in rows if self._get_bracket_id(study, row) == bracket_id]

        return View(study, in_bracket)
