"""Labelled text from TSV, CSV and JSONL files."""

import csv
import gzip
import json
import pathlib
import re

import pytest

from lstm_jax.data import SPLITS, LabelledTable
from lstm_jax.data.text.documents import texts_of
from lstm_jax.errors import ConfigError, DataError
from tests.data.sources import real_data

ROWS = [("a great film", "pos"), ('dull, and "long"', "neg"), ("", "pos"), ("who knows", "")]


def write(path: pathlib.Path, rows=ROWS) -> str:
    """Writes rows of a text and a label in the format that the name of the file says."""
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[1]
    with gzip.open(path, "wt") if path.suffix == ".gz" else path.open("w", newline="") as file:
        if kind in ("json", "jsonl"):
            file.writelines(json.dumps({"text": t, "label": label}) + "\n" for t, label in rows)
        elif kind == "tsv":
            file.writelines(f"{text}\t{label}\n" for text, label in [("text", "label"), *rows])
        else:
            csv.writer(file).writerows([("text", "label"), *rows])
    return str(path)


def read(content: str | bytes, path: pathlib.Path, **fields) -> list[tuple[str, str | None]]:
    """Texts and labels of a test file with this content."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = LabelledTable(train=str(path), test=str(path), **fields)
    return [(text, label) for text, label, _ in source.examples("test")]


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl", "json", "tsv.gz", "csv.gz", "jsonl.gz"])
def test_formats(tmp_path, suffix):
    path = write(tmp_path / f"a.{suffix}")
    source = LabelledTable(path, validation=path, test=path)
    first = 1 if "json" in suffix else 2
    expected = [
        (text, label or None, f"{path}, line {first + row}")
        for row, (text, label) in enumerate(ROWS)
    ]
    for split in SPLITS:
        assert list(source.examples(split)) == expected
        assert list(texts_of(source, split)) == [text for text, _ in ROWS]
    assert source.class_names() == ("neg", "pos")


@pytest.mark.parametrize(
    ("name", "content", "rows"),
    [
        # In a TSV file a quotation mark is text.
        ("a.tsv", '"text\tlabel\n"a\t1\nb"\t0\n"c"\t1\n', [('"a', "1"), ('b"', "0"), ('"c"', "1")]),
        ("a.tsv", "id\tlabel\ttext\n7\tx\ta,b\n8\ty\tc;d\n", [("a,b", "x"), ("c;d", "y")]),
        ("a.tsv", "\ufefftext\tlabel\r\na\tx\r\n\r\n\tx\r\n", [("a", "x"), ("", "x")]),
        ("a.tsv", "text\tlabel\na\tx\nb\t \n", [("a", "x"), ("b", None)]),
        ("a.csv", "\ufefftext,label\r\na, x\r\n\r\nb,x\r\n", [("a", "x"), ("b", "x")]),
        ("a.csv", 'text,label\n"a\n\nb ""c"", d",x\n', [('a\n\nb "c", d', "x")]),
        (
            "a.jsonl",
            '\ufeff{"text": "a\\tä", "label": 3}\r\n\r\n{"label": "x", "text": "b", "id": [1]}',
            [("a\tä", "3"), ("b", "x")],
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": true}\n{"text": "b", "label": false}\n'
            '{"text": "c", "label": null}\n{"text": "d", "label": ""}\n',
            [("a", "true"), ("b", "false"), ("c", None), ("d", None)],
        ),
    ],
)
def test_content(tmp_path, name, content, rows):
    text = '"text' if content.startswith('"') else "text"
    assert read(content, tmp_path / name, text=text) == rows


def test_latin1(tmp_path):
    content = "text\tlabel\ncafé\tgâté\n".encode("latin-1")
    assert read(content, tmp_path / "a.tsv", encoding="latin-1") == [("café", "gâté")]


@pytest.mark.parametrize("suffix", ["tsv", "csv", "jsonl"])
def test_a_review_of_100000_words(tmp_path, suffix):
    long = "words, " * 100_000
    path = write(tmp_path / f"a.{suffix}", [(long, "pos"), ("short", "neg")])
    csv.field_size_limit(131_072)  # What Python starts with.
    examples = list(LabelledTable(path, test=path).examples("test"))
    assert [example.inputs for example in examples] == [long, "short"]


def test_lines_of_csv_rows_are_where_they_begin(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"a\nb",x\n\n"c\n",x\nd,x\n')
    source = LabelledTable(str(path), test=str(path))
    lines = [example.place.removeprefix(str(path)) for example in source.examples("test")]
    assert lines == [", line 2", ", line 5", ", line 7"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", "", " is empty"),
        ("a.csv", "\n\n", " is empty"),
        ("a.jsonl", " \n", " is empty"),
        ("a.tsv", "text\tlabel\n", " has a header and no rows"),
        ("a.csv", "text,label\n\n", " has a header and no rows"),
        ("a.tsv", "text\tlable\na\tx\n", ", line 1: no column 'label'; did you mean 'lable'?"),
        ("a.csv", "\nid,stars\na,x\n", ", line 2: no column 'text'; there are id, stars"),
        ("a.tsv", "text label\na x\n", ", line 1: no column 'text'; there are text label"),
        ("a.jsonl", '{"text": "a"}\n', ", line 1: no field 'label'; there are text"),
        ("a.jsonl", "{}\n", ", line 1: no field 'text'; there are none"),
        ("a.csv", "text,label,text\na,x,b\n", ", line 1: 2 columns are named 'text'"),
        (
            "a.tsv",
            "text\tlabel\na\tx\n\nb\n",
            ", line 4: expected 2 fields as in the header, got 1",
        ),
        ("a.csv", "text,label\na,b,x\n", ", line 2: expected 2 fields as in the header, got 3"),
        (
            "a.csv",
            "text,label\na,x\nb,y\n",
            ", line 3: the label 'y' is not one of the classes; there are neg, x",
        ),
        (
            "a.tsv",
            "text\tlabel\na\tx\nb\tnge\n",
            ", line 3: the label 'nge' is not one of the classes; did you mean 'neg'?",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": 0}',
            ", line 1: the label '0' is not one of the classes; there are neg, x",
        ),
        ("a.csv", b"text,label\na,x\n\xe4,x\n", ", line 3: not UTF-8 text"),
        ("a.tsv", b"text\tlabel\n\xe4\tx\n", ", line 2: not UTF-8 text"),
        ("a.jsonl", b'\n{"text": "\xe4"}\n', ", line 2: not UTF-8 text"),
        (
            "a.csv",
            'text,label\na,x\n"b,x\nc,x\n',
            ", line 3: malformed CSV: unexpected end of data",
        ),
        ("a.csv", 'text,label\n"a"b,x\n', ", line 2: malformed CSV: ',' expected after '\"'"),
        (
            "a.csv",
            "text,label\na\rb,x\n",
            ", line 2: malformed CSV: new-line character seen in unquoted field",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": "x"}\n{"text" "b"}\n',
            ", line 2, column 9: malformed JSON: Expecting ':' delimiter",
        ),
        ("a.jsonl", "[" * 100_000, ", line 1: malformed JSON: maximum recursion depth exceeded"),
        ("a.jsonl", "1" * 5000, ", line 1: malformed JSON: Exceeds the limit"),
        ("a.jsonl", '["a", "x"]\n', ", line 1: expected a JSON object on every line, got a list"),
        ("a.json", '"a"\n', ", line 1: expected a JSON object on every line, got a string"),
        (
            "a.jsonl",
            '{"text": "a", "label": 1.5}',
            ", line 1: 'label' must be a string, an integer or a boolean, got 1.5",
        ),
        (
            "a.jsonl",
            '{"text": "a", "label": {}}',
            ", line 1: 'label' must be a string, an integer or a boolean, got an object",
        ),
        ("a.jsonl", '{"text": null, "label": "x"}', ", line 1: 'text' must be a string, got null"),
        ("a.jsonl", '{"text": 7, "label": "x"}', ", line 1: 'text' must be a string, got a number"),
        (
            "a.jsonl",
            '{"text": "\\ud800", "label": "x"}',
            ", line 1: 'text' has half a surrogate pair (\\ud800 to \\udfff)",
        ),
    ],
)
def test_bad_files(tmp_path, name, content, message):
    with pytest.raises(DataError) as raised:
        read(content, tmp_path / name, classes=("neg", "x"))
    assert str(raised.value).startswith(f"{tmp_path / name}{message}")
    assert "\n" not in str(raised.value)
    if "malformed JSON: " not in message:  # whose end differs between versions of Python
        assert str(raised.value) == f"{tmp_path / name}{message}"


class TestClasses:
    def test_given(self, tmp_path):
        path = write(tmp_path / "a.tsv")
        source = LabelledTable(path, test=path, classes=("pos", "neg", "unclear"))
        assert source.class_names() == ("pos", "neg", "unclear")
        assert len(list(source.examples("test"))) == 4

    @pytest.mark.parametrize("split", SPLITS)
    def test_a_label_outside_the_given_ones(self, tmp_path, split):
        path = write(tmp_path / "a.tsv")
        source = LabelledTable(path, validation=path, test=path, classes=("pos", "no"))
        with pytest.raises(DataError) as raised:
            list(source.examples(split))
        assert str(raised.value) == (
            f"{path}, line 3: the label 'neg' is not one of the classes; there are no, pos"
        )

    @pytest.mark.parametrize("split", ["validation", "test"])
    def test_a_label_that_training_lacks(self, tmp_path, split):
        path = write(tmp_path / "a.tsv")
        other = write(tmp_path / "b.csv", [*ROWS, ("well", "neutral")])
        source = LabelledTable(path, validation=other, test=other)
        with pytest.raises(DataError) as raised:
            list(source.examples(split))
        assert str(raised.value) == (
            f"{other}, line 6: the label 'neutral' is not one of the classes; there are neg, pos"
        )

    def test_no_label_at_all(self, tmp_path):
        path = write(tmp_path / "a.tsv", [("a", ""), ("b", "")])
        with pytest.raises(DataError) as raised:
            LabelledTable(path).class_names()
        assert str(raised.value) == f"{path} has no label in column 'label'"


class TestHeldOut:
    ROWS = tuple((f"the film {number}", str(number % 2)) for number in range(400))

    def test_shares(self, tmp_path):
        path = write(tmp_path / "a.tsv", [*self.ROWS, *self.ROWS])
        for given, held_out, shares in (
            ({}, 0.2, (0.6, 0.2, 0.2)),
            ({"test": path}, 0.1, (0.9, 0.1, 1.0)),
            ({"validation": path}, 0.1, (0.9, 1.0, 0.1)),
            ({"validation": path, "test": path}, 0.1, (1.0, 1.0, 1.0)),
        ):
            source = LabelledTable(path, held_out=held_out, **given)
            splits = {split: list(source.examples(split)) for split in SPLITS}
            found = [len(splits[split]) / 800 for split in SPLITS]
            assert found == pytest.approx(shares, abs=0.05)
            own = [set(texts_of(source, split)) for split in SPLITS if split not in given]
            assert sum(map(len, own)) == len(set().union(*own)) == 400
            places = [example.place for example in splits["train"]]
            assert places == sorted(places, key=lambda place: int(re.findall(r"\d+", place)[-1]))

    def test_phrases_go_with_their_sentence(self, tmp_path):
        sentences = [f"film number {number} is dull" for number in range(40)]
        phrases = [f"film number {number}" for number in range(40)]
        path = write(tmp_path / "a.tsv", [(text, "neg") for text in phrases + sentences])
        source = LabelledTable(path, held_out=0.3, nested=True)
        splits = {split: list(texts_of(source, split)) for split in SPLITS}
        for texts in splits.values():
            half = len(texts) // 2
            assert [f"{phrase} is dull" for phrase in texts[:half]] == texts[half:]
        assert 6 < len(splits["validation"]) < 40

    def test_too_few(self, tmp_path):
        path = write(tmp_path / "a.csv", [("a", "pos"), ("b", "neg")])
        with pytest.raises(DataError) as raised:
            list(LabelledTable(path, held_out=0.01).examples("validation"))
        assert str(raised.value) == (
            f"{path} has too few texts to hold some out: none is in validation; name a file for "
            "each split, or change held_out"
        )


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"train": "a.txt"},
            "'a.txt' must end with .tsv, .csv, .jsonl, .json, or one of these and .gz",
        ),
        ({"test": "tsv"}, "'tsv' must end with .tsv, .csv, .jsonl, .json, or one of these and .gz"),
        ({"held_out": 0.5}, "held_out must be above 0 and below 0.5, got 0.5"),
        ({"classes": ()}, "classes must be names, none twice, got ()"),
        ({"classes": ("a", "a")}, "classes must be names, none twice, got ('a', 'a')"),
        ({"classes": ("a", "")}, "classes must be names, none twice, got ('a', '')"),
        ({"encoding": "utf9"}, "there is no encoding 'utf9'; try 'utf-8'"),
        ({"encoding": "utf-16"}, "text in utf-16 cannot be read by lines: convert it to utf-8"),
    ],
)
def test_bad_fields(fields, message):
    with pytest.raises(ConfigError) as raised:
        LabelledTable(**{"train": "a.tsv"} | fields)
    assert str(raised.value) == message


def test_variables_in_paths(tmp_path, monkeypatch):
    write(tmp_path / "a.tsv")
    monkeypatch.setenv("MY_DATA", str(tmp_path))
    source = LabelledTable("$MY_DATA/a.tsv", test="${MY_DATA}/a.tsv")
    assert len(list(source.examples("test"))) == 4
    assert hash(source) == hash(LabelledTable("$MY_DATA/a.tsv", test="${MY_DATA}/a.tsv"))


def test_sst2_keeps_every_row():
    dev = str(real_data("sst2_glue") / "dev.tsv")
    source = LabelledTable(dev, test=dev, text="sentence")
    labels = [example.target for example in source.examples("test")]
    assert (labels.count("0"), labels.count("1")) == (428, 444)
