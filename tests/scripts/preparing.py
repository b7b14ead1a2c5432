"""Small archives laid out like the published ones, and the script that prepares sets from them."""

import io
import os
import pathlib
import subprocess
import sys
import tarfile

SCRIPTS = pathlib.Path(__file__).parents[2] / "scripts"
NEWS = '"1","Vote","Early"\n"3","Oil, again","It said ""up""\r\nby 3\\$"\n'
QUESTIONS = b"NUM:date When was the sister\xf0city founded ?\nABBR:exp What is LSTM ?\n\n"
TABLE = "sentence\tlabel\na warm film \t1\nit 's \"dull\t0\n"


def start(*flags: str, path: str = "") -> subprocess.Popen[str]:
    """The script in a process of its own, which finds modules in the folder `path` first."""
    # Away from the checkout, whose library the script has to find by itself.
    return subprocess.Popen(
        [sys.executable, str(SCRIPTS / "prepare_data.py"), *flags],
        cwd="/",
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def reviews(labelled: bool = True, unlabelled: bool = True, count: int = 4) -> dict[str, bytes]:
    """Files of the archive of IMDB: `count` reviews for each class of a split, and unlabelled."""
    files = {"aclImdb/README": b"Large Movie Review Dataset"}
    for split in ("train", "test"):
        for label, rating in (("neg", 2), ("pos", 9)):
            for i in range(count if labelled else 0):
                text = f" A {label} review, number {i} of {split}.<br />Naïve café!\n"
                files[f"aclImdb/{split}/{label}/{i}_{rating}.txt"] = text.encode()
    for i in range(count if unlabelled else 0):
        files[f"aclImdb/train/unsup/{i}_0.txt"] = f"Nobody judged film {i}.".encode()
    return files


def write_tar(path: pathlib.Path, files: dict[str, bytes]) -> None:
    """A compressed tar archive."""
    mode = "w:xz" if path.suffix == ".xz" else "w:gz"
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_imdb(folder: pathlib.Path, count: int = 4) -> pathlib.Path:
    """The archive of IMDB in two parts."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tar(folder / "aclImdb_labelled.tar.xz", reviews(unlabelled=False, count=count))
    write_tar(folder / "aclImdb_unsup.tar.xz", reviews(labelled=False, count=count))
    return folder
