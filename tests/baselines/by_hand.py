"""Files of forecasts as another program writes them."""

import json

import numpy as np

from lstm_jax.functional.naive import last_observed, repeat


def answers(table, model="auto_ets"):
    """The lines of a program that repeats the last value of each window in a table of windows."""
    found, horizon = [], int(table.schema.metadata[b"horizon"])
    for row in table.to_pylist():
        for origin, window in zip(row["origins"], row["windows"], strict=True):
            past = last_observed(np.array(row["history"][:origin]))
            line = {"model": model, "item": row["item"], "value": row["value"], "origin": origin}
            line |= {"window": window, "forecast": repeat(past, horizon).tolist()}
            found.append(line | {"seconds": 0.5, "package": "by hand 1.0"})
    return found


def save(path, lines):
    """The path, at which the lines stand."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path
