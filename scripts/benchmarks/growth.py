"""How the time of one layer grows with each of its sizes: what to time, and the plot of it."""

from collections.abc import Mapping

from scripts.benchmarks import measuring
from scripts.benchmarks.timed_layer import Shape

BASE: Shape = (100, 32, 256, 256)
FACTORS = (0.5, 1, 2, 4)
AXES = {"time": (0,), "batch": (1,), "hidden": (2, 3)}
"""The places in a shape that grow together: inputs have as many features as there are hidden."""


def shapes_along(axis: str) -> list[Shape]:
    """`BASE` with one size at each of `FACTORS`, the others kept.

    >>> shapes_along("hidden")[:2]
    [(100, 32, 128, 128), (100, 32, 256, 256)]
    """
    return [_scaled(axis, factor) for factor in FACTORS]


def shapes() -> list[Shape]:
    """Those along every axis, none twice."""
    return list(dict.fromkeys(shape for axis in AXES for shape in shapes_along(axis)))


def plot(path: str, panels: Mapping[str, measuring.Values]) -> None:
    """Writes an image: a row of panels for each title, a panel for each axis, both scales doubling.

    The values are those of `shapes`, in their order; a straight line of slope one is a time in
    proportion to the size.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4 * len(panels)), layout="constrained")
    grid = figure.subplots(len(panels), len(AXES), squeeze=False, sharey="row")
    for row, (title, values) in zip(grid, panels.items(), strict=True):
        figures = dict(zip(shapes(), values.values(), strict=True))
        for axes, (axis, places) in zip(row, AXES.items(), strict=True):
            along = shapes_along(axis)
            sizes = [shape[places[0]] for shape in along]
            for name in figures[BASE]:
                axes.plot(sizes, [figures[shape][name] for shape in along], "o-", label=name)
            axes.set_xscale("log", base=2)
            axes.set_yscale("log", base=2)
            axes.yaxis.set_major_formatter("{x:g}")
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.set_xlabel(axis)
        row[0].set_ylabel(title)
        row[0].legend(fontsize="small")
    figure.suptitle(f"one size of {'x'.join(map(str, BASE))} (time x batch x input x hidden) grows")
    measuring.save(figure, path)


def _scaled(axis: str, factor: float) -> Shape:
    time, batch, features, hidden = (
        int(size * factor) if place in AXES[axis] else size for place, size in enumerate(BASE)
    )
    return time, batch, features, hidden
