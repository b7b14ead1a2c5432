"""`lstm-jax train ...` and `python -m lstm_jax.programs train ...`: one program by its name."""

import importlib
import sys

from lstm_jax.config.values import suggestion

PROGRAMS = {
    "train": "train an experiment, or go on with it",
    "evaluate": "score a run on a split of its data",
    "forecast": "say what follows the ends of series",
    "backtest": "forecast from rolling origins, beside simple rivals",
    "baseline": "score the simple rivals of a task",
    "predict": "say what a run makes of new inputs",
    "generate": "continue a text with a language model",
    "sweep": "search hyperparameters",
}


def main() -> None:
    """Runs the program that the first argument names on the other arguments."""
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in ("--help", "-h", "help"):
        print("usage: lstm-jax PROGRAM --flag=value ...; lstm-jax PROGRAM --help\n")
        print("\n".join(f"    {name:<10}{what}" for name, what in PROGRAMS.items()))
        return
    if name not in PROGRAMS:
        hint = suggestion(name, PROGRAMS)
        raise SystemExit(_refused(f"there is no program {name!r}{hint}"))
    sys.argv[:] = [f"lstm-jax {name}", *arguments]
    if "" not in sys.path:
        sys.path.insert(0, "")  # a config may import what lies beside it, as with python -m
    importlib.import_module(f"lstm_jax.programs.{name}").run()


def _refused(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
