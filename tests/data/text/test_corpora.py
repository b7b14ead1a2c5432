"""Text from Python itself, from folders and from single files."""

import pathlib

import pytest

from lstm_jax.data import SPLITS, PythonDocumentation, TextFile, TextFiles
from lstm_jax.data.text import corpora as text_module
from lstm_jax.data.text.corpora import expand
from lstm_jax.errors import ConfigError, DataError
from tests.data.sources import real_data


def write(folder: pathlib.Path, **texts: str | bytes) -> str:
    """Writes `train`, `valid` and `test` as `train.txt` and so on."""
    for name, text in texts.items():
        content = text.encode() if isinstance(text, str) else text
        (folder / f"{name}.txt").write_bytes(content)
    return str(folder)


class TestPythonDocumentation:
    def test_shares(self):
        sizes = [sum(map(len, PythonDocumentation().documents(split))) for split in SPLITS]
        assert sum(sizes) > 300_000
        train, validation, test = (size / sum(sizes) for size in sizes)
        assert 0.87 < train < 0.93
        assert 0.03 < validation < 0.07
        assert 0.03 < test < 0.07

    def test_the_splits_by_name(self, monkeypatch):
        """The same in every version of Python, so that results can be compared."""
        topics = {name: name for name in ("assert", "binary", "unary", "execmodel", "calls")}
        monkeypatch.setattr("pydoc_data.topics.topics", topics)
        documents = {split: list(PythonDocumentation().documents(split)) for split in SPLITS}
        assert documents == {
            "train": ["calls"],
            "validation": ["assert", "binary"],
            "test": ["execmodel", "unary"],
        }

    def test_what_is_held_out_does_not_stand_in_the_training_text(self):
        training = set("".join(PythonDocumentation().documents("train")).split("\n"))
        for split in ("validation", "test"):
            held_out = "".join(PythonDocumentation().documents(split)).split("\n")
            long = [line for line in held_out if len(line) > 40]
            assert sum(line in training for line in long) < 0.05 * len(long)

    def test_a_python_without_it(self, monkeypatch):
        monkeypatch.setitem(__import__("sys").modules, "pydoc_data.topics", None)
        with pytest.raises(DataError, match=r"lacks pydoc_data.topics"):
            next(PythonDocumentation().documents("train"))


class TestTextFiles:
    @pytest.mark.parametrize(
        "names",
        [
            ("train.txt", "valid.txt", "test.txt"),
            ("train.txt", "validation.txt", "test.txt"),
            ("my.train.txt", "my.val.txt", "my.test.txt"),
            ("ptb.train.txt", "ptb.dev.txt", "ptb.test.txt"),
            ("wiki.train.tokens", "wiki.valid.tokens", "wiki.test.tokens"),
        ],
    )
    def test_names(self, tmp_path, names):
        for name, split in zip(names, SPLITS, strict=True):
            (tmp_path / name).write_text(f"the {split} text\n")
        (tmp_path / "README.txt").write_text("not this\n")
        (tmp_path / "constrain.txt").write_text("nor this\n")
        for split in SPLITS:
            assert list(TextFiles(str(tmp_path)).documents(split)) == [f"the {split} text\n"]

    def test_variables_and_home(self, tmp_path, monkeypatch):
        (tmp_path / "sets").mkdir()
        write(tmp_path / "sets", train="here\n")
        monkeypatch.setenv("MY_DATA", str(tmp_path))
        monkeypatch.setenv("HOME", str(tmp_path))
        for directory in ("$MY_DATA/sets", "${MY_DATA}/sets", "~/sets"):
            assert list(TextFiles(directory).documents("train")) == ["here\n"]

    def test_a_variable_that_is_not_set(self, monkeypatch):
        monkeypatch.delenv("MY_DATA", raising=False)
        for directory in ("$MY_DATA/sets", "${MY_DATA}/sets"):
            with pytest.raises(DataError, match=r"the environment variable MY_DATA is not set"):
                next(TextFiles(directory).documents("train"))

    def test_no_folder(self, tmp_path):
        with pytest.raises(DataError, match=r"there is no folder .*/nowhere$"):
            next(TextFiles(str(tmp_path / "nowhere")).documents("train"))

    def test_a_missing_file(self, tmp_path):
        folder = write(tmp_path, train="a\n")
        with pytest.raises(DataError, match=r"no validation text: expected valid.txt or \*.valid"):
            next(TextFiles(folder).documents("validation"))

    def test_two_files_for_one_split(self, tmp_path):
        folder = write(tmp_path, valid="a\n", dev="b\n")
        with pytest.raises(DataError, match=r"several validation texts, .*: dev.txt, valid.txt"):
            next(TextFiles(folder).documents("validation"))

    @pytest.mark.parametrize("text", ["", " \n\n"])
    def test_an_empty_file(self, tmp_path, text):
        with pytest.raises(DataError, match=r"test.txt is empty"):
            list(TextFiles(write(tmp_path, test=text)).documents("test"))

    def test_not_utf8(self, tmp_path, monkeypatch):
        monkeypatch.setattr(text_module, "_PIECE", 4)
        folder = write(tmp_path, train=b"one\ntwo\nthree\nf\xfcnf\nsix\n")
        with pytest.raises(DataError, match=r"train.txt, line 4: not UTF-8 text"):
            list(TextFiles(folder).documents("train"))

    def test_an_unreadable_file(self, tmp_path, monkeypatch):
        folder = write(tmp_path, train="a\n")

        def refuse(*_):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(pathlib.Path, "open", refuse)
        with pytest.raises(DataError, match=r"cannot read .*train.txt: Permission denied"):
            list(TextFiles(folder).documents("train"))

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_pieces_end_with_a_line(self, tmp_path, monkeypatch, size):
        monkeypatch.setattr(text_module, "_PIECE", size)
        folder = write(tmp_path, train="\ufeffäöü\r\nb\n\nccc ccc\r\n\u2028d\nno end")
        pieces = list(TextFiles(folder).documents("train"))
        assert "".join(pieces) == "äöü\nb\n\nccc ccc\n\u2028d\nno end"
        assert all(piece.endswith("\n") for piece in pieces[:-1])
        assert len(pieces) == 1 or size < 1000


class TestTextFile:
    def test_the_parts_follow_each_other(self, tmp_path):
        path = tmp_path / "a.txt"
        path.write_text("0123456789" * 10)
        parts = [list(TextFile(str(path)).documents(split)) for split in SPLITS]
        text = "0123456789" * 10
        assert parts == [[text[:90]], [text[90:95]], [text[95:]]]
        source = TextFile(str(path), fractions=(0.5, 0.3, 0.2))
        assert [len(next(source.documents(split))) for split in SPLITS] == [50, 30, 20]

    @pytest.mark.parametrize("fractions", [(0.9, 0.1, 0.0), (0.9, 0.2, 0.2), (1.2, -0.1, -0.1)])
    def test_fractions(self, fractions):
        with pytest.raises(ConfigError, match="positive with the sum 1"):
            TextFile("a.txt", fractions=fractions)

    def test_no_file(self, tmp_path):
        with pytest.raises(DataError, match=r"cannot read .*nothing.txt: No such file"):
            next(TextFile(str(tmp_path / "nothing.txt")).documents("train"))

    def test_tiny_shakespeare_is_cut_as_tensorflow_datasets_cuts_it(self):
        source = TextFile(str(real_data("tiny_shakespeare") / "input.txt"))
        sizes = [len(next(source.documents(split))) for split in SPLITS]
        assert sizes == [1_003_854, 55_770, 55_770]


def test_expand_leaves_other_paths_alone():
    assert expand("a b/$/c") == pathlib.Path("a b/$/c")
