"""Series of the M4 competition."""

import pathlib

import pytest

from lstm_jax.data.series.panel import Schema
from lstm_jax.data.series.sources import M4
from lstm_jax.errors import DataError
from tests.data.sources import real_data


def test_the_m4_competition():
    folder = real_data("m4")
    for group, items, shortest, longest in (("Hourly", 414, 748, 1008), ("Weekly", 359, 93, 2610)):
        panel = M4(str(folder), group).load()
        assert panel.schema == Schema("step", 0, None, ("value",))
        assert len(panel.items) == items
        assert (panel.lengths.min(), panel.lengths.max()) == (shortest, longest)
        assert panel.items[:2] == (f"{group[0]}1", f"{group[0]}2")
    hourly = M4(str(folder)).load()
    assert hourly.values[[0, 699, 700, 747], 0].tolist() == [605, 684, 619, 659]
    assert hourly.places[0].endswith("Hourly-train.csv.gz, item 'H1'")


def write_m4(folder: pathlib.Path, train: str, test: str) -> M4:
    (folder / "Hourly-train.csv").write_text(f'"V1","V2","V3","V4"\n{train}')
    (folder / "Hourly-test.csv").write_text(f'"V1","V2"\n{test}')
    return M4(str(folder))


def test_rows_of_the_m4_competition(tmp_path):
    source = write_m4(tmp_path, '"H1","1","2",\n"H2",4,5,6\n', "H2,7\nH1,3\n")
    panel = source.load()
    assert panel.items == ("H1", "H2")
    assert panel.values[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert panel.first.tolist() == [0, 3, 7]
    alone = source.panel_of(tmp_path / "Hourly-train.csv", panel.schema)
    assert alone.lengths.tolist() == [2, 3]
    assert source.panel_of({"x": [1, 2]}, panel.schema).values.tolist() == [[1], [2]]
    with pytest.raises(DataError, match="M4 reads no list: hand over a Panel"):
        source.panel_of([1, 2])


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ("H1,1,2,3\n", "H2,1\n", "series 'H1' is not in both of {train}, {test}"),
        (
            "H1,1,,3\n",
            "H1,1\n",
            "{train}, item 'H1', row 2: no finite value in column 'V3': fill it in",
        ),
        (
            "H1,1,2,3\nH2,inf,,\n",
            "H1,1\n",
            "{train}, item 'H2', row 3: no finite value in column 'V2': fill it in",
        ),
        (
            "H1,1,2,3\nH1,1,2,3\n",
            "H1,1\n",
            "{train}, item 'H1', row 3: the name stands there a second time: keep one row",
        ),
        (
            "H1,1,2,x\n",
            "H1,1\n",
            "{train}, item 'H1', row 2: 'x' in column 'V4' is no number: leave it empty where "
            "there is no value, or leave the column out by values=",
        ),
    ],
)
def test_malformed_rows_of_the_m4_competition(tmp_path, train, test, message):
    with pytest.raises(DataError) as raised:
        write_m4(tmp_path, train, test).load()
    paths = {part: tmp_path / f"Hourly-{part}.csv" for part in ("train", "test")}
    assert str(raised.value) == message.format(**paths)
