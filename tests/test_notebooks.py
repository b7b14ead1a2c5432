"""Every notebook runs from top to bottom."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.processes import ROOT

each_notebook = pytest.mark.parametrize(
    "path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)


# Run before the first cell where it is run once: reading and splitting all reviews takes half a
# minute, and each picture of a run a second.
FEWER_EXAMPLES = """
import itertools

from lstm_jax.data import LabelledTable
from lstm_jax.reporting.reporter import Reporter

examples = LabelledTable.examples
LabelledTable.examples = lambda source, split: itertools.islice(examples(source, split), 300)
Reporter._draw = lambda reporter: None
"""


@each_notebook
@pytest.mark.parametrize(
    ("before", "times"),
    [(FEWER_EXAMPLES, 1), pytest.param("", 2, marks=pytest.mark.slow)],
    ids=["once", "twice"],
)
def test_runs(
    path: Path, before: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once more, as it is written, over what it left behind."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # the kernel is to import this checkout
    for _ in range(times):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.insert(0, nbformat.v4.new_code_cell(before))
        resources = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, timeout=120, resources=resources).execute()


@each_notebook
def test_outputs_are_stripped(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert code
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code)
