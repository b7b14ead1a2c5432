"""What a forecaster says of series after their ends, from file to file.

    python -m experiments.forecast --workdir=runs/etth1 --input=today.csv --output=tomorrow.csv

The input has the columns, the frequency and the zone of the data that the run was trained on, and
any number of items. The output is a long table (`.csv` or `.parquet`): item, time, value, forecast,
lower, upper. Covariates that are known in advance go on over the horizon, in rows without values.
"""

from absl import flags

from lstm_jax.data.files import expand
from lstm_jax.errors import ConfigError
from lstm_jax.programs import program
from lstm_jax.programs.tables import check_table, write_table
from lstm_jax.programs.trained import RunFlags
from lstm_jax.runtime.memory import keep_freed_memory

_FLAGS = flags.FlagValues()
_RUN = RunFlags(_FLAGS)
_INPUT = flags.DEFINE_string("input", None, "A table of series.", flag_values=_FLAGS)
_OUTPUT = flags.DEFINE_string("output", None, "A .parquet or .csv table.", flag_values=_FLAGS)
_HORIZON = flags.DEFINE_integer(
    "horizon", None, "Steps; as many as the model was trained for.", flag_values=_FLAGS
)
_INTERVAL = flags.DEFINE_float(
    "interval", 0.9, "Share of values that are to lie within.", flag_values=_FLAGS
)


def main() -> None:
    """Loads, reads, forecasts, writes."""
    keep_freed_memory()
    path, output = _INPUT.value, _OUTPUT.value
    if path is None or output is None:
        raise ConfigError("give a table of series as --input, and where to write as --output")
    check_table("--output", output)
    run = _RUN.load_unchanged()
    found = run.forecast(str(expand(path)), _HORIZON.value, interval=_INTERVAL.value)
    write_table(found.table(), expand(output))


def run() -> None:
    """Runs the program on the flags of the command line."""
    program.run(main, _FLAGS)
