"""What a sweep came to: files and a page to keep, text for a terminal, lines for other programs."""

import base64
import csv
import dataclasses
import html
import io
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Column, Table

from lstm_jax.files import storage_error, write_atomically
from lstm_jax.metrics.means import format_metric
from lstm_jax.sweeps import plots
from lstm_jax.sweeps.results import SweepRun, TrialResult, html_table
from lstm_jax.sweeps.rivals import describe_rivals
from lstm_jax.sweeps.space import short_names, show_value
from lstm_jax.sweeps.trials import State

DIRECTORY = "report"
PAGE = "report.html"
TABLE = "trials.csv"
_PICTURES = {
    "importances": plots.importances,
    "history": plots.history,
    "slices": plots.slices,
    "parallel_coordinates": plots.parallel_coordinates,
    "learning_curves": plots.learning_curves,
}
_ROWS = 30
"""Of the table in a terminal."""
_ERRORS = 3
"""Failed trials whose errors are told there; the page has all."""
_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 72rem; margin: 0 auto; padding: 1rem; }
h2 { font-size: 1.2rem; margin-top: 2.2rem; }
h1, p, td, pre { overflow-wrap: anywhere; }
.wide, figure { overflow-x: auto; }
.wide, figure, table { margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid #8885; text-align: left; }
td:first-child, .wide th, .wide td { white-space: nowrap; }
.wide td:last-child { white-space: normal; min-width: 20rem; }
pre { white-space: pre-wrap; background: #8882; padding: .8rem; border-radius: .4rem; }
img { max-width: 100%; min-width: 44rem; background: white; border-radius: .4rem; }
"""


def write_report(sweep: SweepRun) -> Path:
    """Writes the table of trials, the pictures and a page with all of it.

    The page needs no other file and no network. What an earlier report wrote is replaced.

    Returns:
        The page.

    Raises:
        StorageError: the disk is full or refuses to be written.
    """
    folder = sweep.workdir / DIRECTORY
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    write_atomically(folder / TABLE, _encode(_csv(sweep)), is_shared=True)
    pictures: dict[str, bytes] = {}
    for name, draw in _PICTURES.items():
        if (figure := draw(sweep)) is not None:
            figure.savefig(buffer := io.BytesIO(), format="png", dpi=120)
            pictures[name] = buffer.getvalue()
            write_atomically(folder / f"{name}.png", pictures[name], is_shared=True)
    write_atomically(folder / PAGE, _encode(_page(sweep, pictures)), is_shared=True)
    return folder / PAGE


def describe(sweep: SweepRun, width: int) -> str:
    """What came of a sweep, as text for a terminal of so many characters a line."""
    parts = [f"{sweep.workdir}: {_counts(sweep)}"]
    if trials := _ordered(sweep):
        parts.append(_text_table(sweep, trials[:_ROWS], width))
    if more := len(trials[_ROWS:]):
        parts.append(f"... and {more} more in {sweep.workdir / DIRECTORY / TABLE}")
    if ranked := sweep.ranked():
        best = ranked[0]
        values = "\n".join(f"  {name} = {_value(best, name)}" for name in best.values)
        told = ", ".join(f"{name} {value}" for name, value in _measured(sweep, best).items())
        parts += [f"best: trial {best.number}, {told}\n{values}", sweep.command(best)]
    if shares := sweep.importances():
        shorts = short_names(sweep.definition.space)
        told = ", ".join(f"{shorts[name]} {share:.0%}" for name, share in shares.items())
        parts.append(f"importance of {len(sweep.ranked())} trials: {told}")
    parts += _comparison(sweep) + describe_rivals(sweep)
    failed = [one for one in sweep.trials if one.state is State.FAILED]
    parts += [f"trial {one.number} failed: {one.error}" for one in failed[:_ERRORS]]
    return "\n\n".join(parts) + "\n"


def describe_comparison(sweep: SweepRun, first: int, second: int) -> str:
    """Which of two trials is better, and whether by more than noise, in one line.

    Raises:
        SweepError: no such trial.
        ConfigError: one of them is not complete, or there are fewer than two seeds.
    """
    compared = sweep.compare(first, second)
    is_first = (compared.difference < 0) == (sweep.score.direction == "min")
    better = f"; trial {first if is_first else second} is better" if compared.exceeds_noise else ""
    return f"trial {first} minus trial {second}, {sweep.metric}: {compared}{better}"


def json_lines(sweep: SweepRun) -> str:
    """One JSON object a line for each trial, by number; what is not finite is null."""
    lines = [json.dumps(_finite(_record(sweep, one)), allow_nan=False) for one in sweep.trials]
    return "".join(f"{line}\n" for line in lines)


def _encode(text: str) -> bytes:
    """A file in UTF-8, whatever the paths are that it names."""
    return text.encode(errors="backslashreplace")


def _counts(sweep: SweepRun) -> str:
    return ", ".join(f"{n} {state}" for state, n in sweep.counts().items()) or "no trials yet"


def _record(sweep: SweepRun, trial: TrialResult) -> dict[str, Any]:
    record: dict[str, Any] = {
        "number": trial.number,
        "state": str(trial.state),
        "values": dict(trial.values),
        "metric": trial.metric,
        "workdir": str(trial.workdir),
        "seconds": trial.seconds,
        "error": trial.error,
    }
    if sweep.definition.seeds > 1:
        std, interval = _spread(trial)
        runs = [dataclasses.asdict(run) | {"workdir": str(run.workdir)} for run in trial.runs]
        record |= {"std": std, "interval": interval, "runs": runs}
    return record


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _csv(sweep: SweepRun) -> str:
    """The table in full precision."""
    rows = sweep.table()
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _ordered(sweep: SweepRun) -> list[TrialResult]:
    """The best first, then what is not complete."""
    rest = [one for one in sweep.trials if one.state is not State.COMPLETE]
    return sweep.ranked() + sorted(rest, key=lambda one: [*State].index(one.state))


def _measured(sweep: SweepRun, trial: TrialResult) -> dict[str, str]:
    """The metric of a trial for people, and how sure it is where there are several seeds."""
    told = {sweep.score.metric: "" if trial.metric is None else format_metric(trial.metric)}
    if sweep.definition.seeds > 1:
        std, interval = _spread(trial)
        shown = " to ".join(map(format_metric, interval or ()))
        spread = "" if std is None else show_value(std)
        told |= {"std": spread, "bootstrap interval": shown}
    return told


def _spread(trial: TrialResult) -> tuple[float | None, tuple[float, float] | None]:
    """The standard deviation over the seeds, and the interval of the mean."""
    return (summary.std, summary.interval) if (summary := trial.summary) else (None, None)


def _value(trial: TrialResult, name: str) -> str:
    """A value for people; nothing where the name is inactive."""
    return show_value(trial.values[name]) if name in trial.values else ""


def _comparison(sweep: SweepRun) -> list[str]:
    """The best against the second best, where there are seeds to compare."""
    if sweep.definition.seeds < 2 or len(ranked := sweep.ranked()) < 2:
        return []
    return [describe_comparison(sweep, *(one.number for one in ranked[:2]))]


def _row(sweep: SweepRun, trial: TrialResult) -> tuple[dict[str, str], dict[str, str]]:
    """What is measured of a trial, and its values by short name."""
    names = short_names(sweep.definition.space)
    told = {"trial": str(trial.number), "state": str(trial.state)} | _measured(sweep, trial)
    return told, {short: _value(trial, name) for name, short in names.items()}


def _text_table(sweep: SweepRun, trials: list[TrialResult], width: int) -> str:
    """A column for each name or, where they have no room, one for all."""
    rows = [_row(sweep, one) for one in trials]
    shown = (", ".join(f"{k}={v}" for k, v in values.items() if v) for _, values in rows)
    full = [told | values for told, values in rows]
    brief = [told | {"values": text} for (told, _), text in zip(rows, shown, strict=True)]
    text = io.StringIO()
    plain: dict[str, Any] = {"color_system": None, "markup": False, "emoji": False}
    console = Console(file=text, width=width, force_terminal=False, highlight=False, **plain)
    for cells in (full, brief):
        columns = [Column(name, overflow="fold") for name in cells[0]]
        table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for row in cells:
            table.add_row(*row.values())
        if console.measure(table, options=console.options.update_width(9999)).maximum <= width:
            break
    console.print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines() if line.strip())


def _page(sweep: SweepRun, pictures: dict[str, bytes]) -> str:
    definition, best = sweep.definition, next(iter(sweep.ranked()), None)
    first = definition.experiment.seed
    asked = {
        "experiment": definition.config or "built in Python",
        "changed in it": ", ".join(f"{name}={text}" for name, text in definition.changes.items()),
        "metric": f"{sweep.metric}, {definition.direction}imized",
        "search": "; then ".join(sweep.searches),
        "seeds": ", ".join(map(str, range(first, first + definition.seeds))),
        "trials": _counts(sweep),
    }
    parts = [_pairs(asked, "sweep", ""), _pairs(definition.space, "name", "distribution")]
    parts.append("<h2>The best trial</h2>" if best else "<p>No trial is complete yet.</p>")
    if best is not None:
        told = _measured(sweep, best) | {"directory": best.workdir}
        values = {name: _value(best, name) for name in best.values}
        parts += [_pairs(told, "trial", str(best.number)), _pairs(values, "name", "value")]
        lines = _comparison(sweep) + describe_rivals(sweep)
        parts += [f"<p>{html.escape(line)}</p>" for line in lines]
        parts.append(f"<pre>{html.escape(sweep.command(best))}</pre>")
    for name, picture in pictures.items():
        title, data = name.replace("_", " ").capitalize(), base64.b64encode(picture).decode()
        source = f"data:image/png;base64,{data}"
        parts.append(f'<h2>{title}</h2><figure><img alt="{title}" src="{source}"></figure>')
        if name == "importances":
            percents = {other: f"{share:.1%}" for other, share in sweep.importances().items()}
            parts.append(_pairs(percents, "name", f"importance of {len(sweep.ranked())} trials"))
    rows = [(_row(sweep, one), one.error or "") for one in _ordered(sweep)]
    table = html_table([told | values | {"error": error} for (told, values), error in rows])
    parts.append(f'<h2>All trials</h2><div class="wide">{table}</div>')
    name = html.escape(sweep.workdir.resolve().name)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="data:,"><title>Sweep {name}</title><style>{_STYLE}</style></head>'
        f"<body><h1>Sweep {name}</h1>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _pairs(pairs: Mapping[str, Any], *titles: str) -> str:
    return html_table([dict(zip(titles, map(str, pair), strict=True)) for pair in pairs.items()])
