"""How the programs here are started."""

import sys
from pathlib import Path


def command(program: str) -> list[str]:
    """The words that start another program as this process was started.

    From a clone that is `python -m experiments.train`, where the package is installed, and in
    notebooks, `lstm-jax train`.
    """
    if Path(sys.argv[0]).parent.name == "experiments":
        return ["python", "-m", f"experiments.{program}"]
    return ["lstm-jax", program]
