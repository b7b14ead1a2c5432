"""Forecasting of real-valued series: what follows an origin, given what lies before it."""

import dataclasses
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from lstm_jax.cells import GRU
from lstm_jax.data.series.preprocessor import SeriesPreprocessor
from lstm_jax.data.series.windows import SeriesBatch
from lstm_jax.errors import ConfigError
from lstm_jax.inference.backtesting import run_backtest
from lstm_jax.inference.calibration import calibrated_widths
from lstm_jax.inference.forecast_explanation import explain_forecast
from lstm_jax.inference.forecasting import check_values, forecast_series
from lstm_jax.metrics import forecasts
from lstm_jax.metrics.means import Mean
from lstm_jax.modules import (
    Decoder,
    Direct,
    Forecaster,
    Head,
    Layers,
    Normalization,
    Qlike,
    Recursive,
    Sizes,
    Squared,
    WindowNormalization,
)
from lstm_jax.tasks.base import Output, Score, Task, Term
from lstm_jax.tasks.capabilities import Use, capability
from lstm_jax.tasks.fields import AnyLayer, cells_of, check_rates
from lstm_jax.types import Array, Batch, Carry, Key


@dataclasses.dataclass(frozen=True)
class Forecasting(Task):
    """Recurrent layers over the context, a decoder of the horizon, and a head.

    Channels are read side by side, or one by one with the same parameters. The decoder says how the
    horizon comes about (`Direct`, `EncoderDecoder`, `Recursive`, `Segments`), the head what is
    learned of each value: a point (`Squared`, `Absolute`, `Huber`), `Quantiles`, or a distribution.

    >>> from lstm_jax.modules import Segments
    >>> Forecasting(cell=GRU(hidden=64), decoder=Segments(length=24), channels="independent").score
    Score(metric='mse', direction='min')

    Raises:
        ConfigError: a field outside its range.
    """

    BATCH: ClassVar[type] = SeriesBatch
    PREPROCESSOR: ClassVar[type] = SeriesPreprocessor

    cell: AnyLayer | tuple[AnyLayer, ...] = dataclasses.field(
        default_factory=lambda: GRU(hidden=128)
    )
    """The cell of every layer, or one for each layer."""
    layers: int = 1
    decoder: Decoder = dataclasses.field(default_factory=Direct)
    head: Head = dataclasses.field(default_factory=Squared)
    channels: Literal["joint", "independent"] = "joint"
    """`joint`: all channels of a step are read and forecast together. `independent`: each channel
    is a series of its own for the same parameters."""
    autoregressive: bool = False
    """Whether a linear map of the context of each channel, the same for all, is added to what the
    decoder says (Lai et al. 2018, section 3.6): the network learns what is left."""
    normalization: Normalization = dataclasses.field(default_factory=WindowNormalization)
    """What of a window is taken away before it is read, and given back to its forecasts."""
    normalized_loss: bool = False
    """Whether errors count in the units of the normalized window: of a series at ten times the
    height as much as of another one."""
    dropout: float = 0.0
    """Probability of dropping an element of what a layer reads and of the last one's output."""
    variational: bool = False
    """Whether all steps of a window drop the same elements (Gal and Ghahramani 2016)."""
    weight_drop: float = 0.0
    """Probability of dropping an element of a recurrent kernel (Merity et al. 2018)."""
    selected_by: str | None = None
    """The figure, the lower the better, that selects the best checkpoint; by default what the head
    is best at: `mse`, `mae`, `crps` or `qlike`."""

    def __post_init__(self):
        cells_of(self.cell, self.layers)
        check_rates(self, "dropout", "weight_drop")

    @property
    def name(self) -> str:
        """What tables call the model: its first cell and its decoder."""
        cell = cells_of(self.cell, self.layers)[0]
        return f"{type(cell).__name__} {type(self.decoder).__name__}"

    @property
    def score(self) -> Score:
        """The figure that selects the best checkpoint."""
        if self.selected_by is not None:
            return Score(self.selected_by, "min")
        if self.head.is_distribution:
            return Score("crps", "min")
        if isinstance(self.head, Qlike):
            return Score("qlike", "min")
        return Score("mse" if self.head.power == 2 else "mae", "min")

    def check(self, preprocessor: Any, dataset: Any) -> None:
        """Makes sure that decoder, head and normalization fit the data."""
        if self.autoregressive and isinstance(self.decoder, Recursive):
            raise ConfigError("autoregressive: Recursive is so by itself: set it to False")
        self.decoder.check(self._sizes(preprocessor))
        kind, is_log = preprocessor.scaling.kind, preprocessor.scaling.log
        is_centred = kind not in ("none", "mean_absolute") or is_log
        name = type(self.normalization).__name__
        if self.normalization.is_log and is_centred:
            raise ConfigError(
                f"{name} divides by levels, and scaled values are not positive: set "
                "data.scaling.kind=mean_absolute"
            )
        if isinstance(self.head, Qlike) and not is_log:
            raise ConfigError("Qlike is of scaled logarithms: set data.scaling.log=True")
        if self.head.counts:
            plain = getattr(self.normalization, "kind", None) in ("none", "mean_absolute")
            if is_centred or not plain:
                raise ConfigError(
                    f"{type(self.head).__name__} is of counts, which nothing may be taken from: "
                    "set data.scaling.kind and task.normalization.kind to none or mean_absolute"
                )
        check_values(dataset.panel, self.head, self.normalization)

    def build(self, rngs: nnx.Rngs, preprocessor: Any) -> Forecaster:
        """A forecaster of the data's channels."""
        independent = self.channels == "independent"
        deviation = preprocessor.deviation
        return Forecaster(
            self.normalization,
            self.decoder,
            self.head,
            self._sizes(preprocessor),
            Layers(
                cells_of(self.cell, self.layers), self.dropout, self.variational, self.weight_drop
            ),
            rngs,
            channels=preprocessor.channels if independent else None,
            autoregressive=self.autoregressive,
            normalized_loss=self.normalized_loss,
            deviation=deviation if preprocessor.standardised else (1.0,) * len(deviation),
            is_log=preprocessor.scaling.log,
        )

    def loss(self, model: Any, batch: Batch, carry: Carry, key: Key | None) -> Output:
        """What the head costs at each value that was observed, the mean over them."""
        costs = model.costs(batch, key)
        # A window that only fills up has no step of the horizon, and its context does not count.
        weight = costs.weight * self._is_window(batch, costs.weight.shape[1])
        total, count = jnp.where(weight > 0, costs.values, 0).sum(), weight.sum()
        return Output({"cost": Term(total, count)}, carry, {"cost": Mean(total, count)})

    def observe(self, model: Any, batch: Batch, carry: Carry, key: Key) -> Output:
        """The sums that figures of forecasts are made of."""
        output = self.loss(model, batch, carry, None)
        keys = jax.vmap(lambda place: jax.random.fold_in(key, place))(batch.place)
        found = model.forecast(batch, forecasts.LEVELS, keys)
        deviation = jnp.asarray(model.deviation, batch.targets.dtype)
        facts = forecasts.Facts(batch.weight, batch.naive_error, deviation, batch.reference)
        sums = forecasts.count(
            found.point, batch.targets, model.units(batch), facts, found.quantiles
        )
        return output._replace(metrics=output.metrics | sums)

    def summarize(
        self, sums: dict[str, Any], rows: dict[str, np.ndarray], preprocessor: Any
    ) -> dict[str, float]:
        """The mean cost; of forecasts MSE, MAE, RMSE, sMAPE, MASE and what else there is."""
        del rows
        found = {"cost": sums["cost"].compute()}
        if "windows" in sums:
            found |= forecasts.summarize(sums, preprocessor.standardised)
            found["windows"] = int(sums["windows"].total)
        return found

    def details(
        self, sums: dict[str, Any], rows: dict[str, np.ndarray], preprocessor: Any
    ) -> dict[str, Any]:
        """The model, the horizon, and the figures of each of its steps."""
        known = self.summarize(sums, rows, preprocessor)
        every = forecasts.by_step(sums)
        found = {name: one.tolist() for name, one in every.items() if name in known}
        return {"model": self.name, "horizon": preprocessor.horizon, "by_step": found}

    def calibrate(self, use: Use) -> dict[str, Any] | None:
        """How wide intervals are around points, from the errors on the validation part."""
        return calibrated_widths(use)

    forecast = capability(forecast_series)
    backtest = capability(run_backtest)
    explain = capability(explain_forecast)

    def _sizes(self, preprocessor: SeriesPreprocessor) -> Sizes:
        independent = self.channels == "independent"
        return Sizes(
            context=preprocessor.context,
            horizon=preprocessor.horizon,
            channels=1 if independent else preprocessor.channels,
            covariates=preprocessor.past_features,
            future=preprocessor.future_features,
            series=preprocessor.channels if independent else 1,
            items=len(preprocessor.items),
            season=preprocessor.season,
            outputs=self.head.size,
            flags=preprocessor.flags,
            padded=preprocessor.padded,
        )

    def _is_window(self, batch: Batch, columns: int) -> Array:
        """1 in the columns of windows, 0 in those that only fill up: [1, columns, 1]."""
        is_window = (batch.place >= 0).astype(batch.weight.dtype)
        return jnp.repeat(is_window, columns // len(batch.place))[None, :, None]
