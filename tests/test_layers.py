"""The house: rooms that import only rooms below, no cycle inside one, packages in their places."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent

# From the roof down: a file imports from its own room and from those that stand below it.
HOUSE = (
    "scripts",
    "examples",
    "configs",
    "experiments",
    "lstm_jax.programs",
    "lstm_jax",  # __init__.py: what a notebook needs
    "lstm_jax.sweeps",
    "lstm_jax.training",
    "lstm_jax.baselines",
    "lstm_jax.run",
    "lstm_jax.experiment",
    "lstm_jax.tasks",
    "lstm_jax.inference",
    "lstm_jax.modules",
    "lstm_jax.reporting",
    "lstm_jax.storage",
    "lstm_jax.recurrence",
    "lstm_jax.runtime",
    "lstm_jax.data",
    "lstm_jax.optimization",
    "lstm_jax.cells",
    "lstm_jax.metrics",
    "lstm_jax.functional",
    "lstm_jax.config",
    "lstm_jax.files",
    "lstm_jax.types",
    "lstm_jax.errors",
)
# A package, and the only places that may import it.
PLACES = {
    "flax": ("lstm_jax/modules/", "lstm_jax/tasks/", "scripts/benchmarks/peers/", "examples/"),
    "haiku": ("scripts/benchmarks/peers/",),
    "torch": ("scripts/benchmarks/peers/",),
    "orbax": ("lstm_jax/storage/checkpoints.py",),
    "optuna": ("lstm_jax/sweeps/",),
    "sqlalchemy": ("lstm_jax/sweeps/storage.py",),
    "absl": ("lstm_jax/programs/", "scripts/"),
    "tensorflow": ("scripts/prepare_data.py",),
    "scripts": ("scripts/",),
}
MOST_FILES = 6
"""In the root of the package."""


def sources() -> dict[str, str]:
    """The project's files by their paths."""
    folders = ("lstm_jax", "experiments", "configs", "scripts", "examples")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}


def room_of(path: str) -> str | None:
    """The room that a file is in: the longest name of one that its dotted name begins with."""
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    if name == "lstm_jax":
        return name
    rooms = [room for room in HOUSE if name == room or name.startswith(f"{room}.")]
    found = max(rooms, key=len, default=None)
    return None if found == "lstm_jax" else found


def imported_names(source: str, path: str) -> set[str]:
    """Dotted names that a file imports anywhere in it: `from a.b import c` is a.b.c."""
    names = set()
    for node in ast.walk(ast.parse(source, path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = path.removesuffix(".py").split("/")[: -node.level] if node.level else []
            base += node.module.split(".") if node.module else []
            names |= {".".join([*base, alias.name]) for alias in node.names}
    return names


def file_of(name: str, files: set[str]) -> str | None:
    """The project's file that importing a dotted name reads: the module, or the package's own."""
    parts = name.split(".")
    while parts:
        path = "/".join(parts)
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            if candidate in files:
                return candidate
        parts.pop()
    return None


def violations(files: dict[str, str]) -> list[str]:
    """Every broken rule in files given as {path: source}, a line each."""
    found: dict[str, None] = {}  # in order, none twice
    for path, source in files.items():
        room = room_of(path)
        if room is None:
            found[f"{path} is in no room: give it one, or name a new one in HOUSE"] = None
            continue
        for name in sorted(imported_names(source, path)):
            package = name.split(".")[0]
            if package in PLACES and not path.startswith(PLACES[package]):
                found[f"{path} imports {package}, whose place is elsewhere"] = None
            imported = file_of(name, {*files})
            other = room_of(imported) if imported else None
            if other is not None and HOUSE.index(other) < HOUSE.index(room):
                found[f"{path} imports {imported}, which stands above it"] = None
    return [*found, *(f"a cycle: {' -> '.join(cycle)}" for cycle in cycles(files))]


def cycles(files: dict[str, str]) -> list[list[str]]:
    """Ways from a file back to itself by imports."""
    arrows = {
        path: sorted({*(file_of(name, {*files}) for name in imported_names(source, path))} - {None})
        for path, source in files.items()
    }
    found, done = [], set[str]()

    def walk(path: str, way: list[str]) -> None:
        if path in way:
            found.append([*way[way.index(path) :], path])
        elif path not in done:
            for other in arrows[path]:
                walk(other, [*way, path])
            done.add(path)

    for path in files:
        walk(path, [])
    return found


def test_the_project_keeps_the_rules():
    files = sources()
    assert "lstm_jax/cells/lstm.py" in files
    assert "\n".join(violations(files)) == ""


def test_every_room_says_what_belongs_there():
    packages = [*(ROOT / "lstm_jax").rglob("__init__.py")]
    assert len(packages) >= 15
    for path in packages:
        assert ast.get_docstring(ast.parse(path.read_text("utf-8"))), path
    assert len([*(ROOT / "lstm_jax").glob("*.py")]) <= MOST_FILES


def test_a_submodule_and_what_its_package_has_never_share_a_name():
    for path in (ROOT / "lstm_jax").rglob("__init__.py"):
        own = {one.stem for one in path.parent.glob("*.py")} | {
            one.name for one in path.parent.iterdir() if one.is_dir()
        }
        tree = ast.parse(path.read_text("utf-8"))
        given = {
            alias.asname or alias.name: f"{node.module}.{alias.name}"
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }
        package = ".".join(path.parent.relative_to(ROOT).parts)
        for name in own & given.keys():
            assert given[name] == f"{package}.{name}", f"{package}.{name} is two things"


def test_tests_mirror_the_package():
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests")
        if folder.parts and folder.parts[0] not in ("earlier", "scripts", "kernel", "examples"):
            assert (ROOT / "lstm_jax" / folder).is_dir(), path


def test_upward_imports_are_found():
    files = {
        "lstm_jax/cells/__init__.py": "",
        "lstm_jax/recurrence/__init__.py": "",
        "lstm_jax/recurrence/over_time.py": "",
        "lstm_jax/__init__.py": "from lstm_jax.recurrence import scan",
    }
    for line, file in (
        ("from lstm_jax import recurrence", "__init__"),
        ("from lstm_jax.recurrence import scan", "__init__"),
        ("import lstm_jax.recurrence", "__init__"),
        ("from .. import recurrence", "__init__"),
        ("from ..recurrence.over_time import scan", "over_time"),
        ("def late():\n    import lstm_jax.recurrence.over_time as r", "over_time"),
        ("if TYPE_CHECKING:\n    from lstm_jax.recurrence import over_time", "over_time"),
    ):
        upward = f"lstm_jax/cells/x.py imports lstm_jax/recurrence/{file}.py, which stands above it"
        assert violations(files | {"lstm_jax/cells/x.py": line}) == [upward], line
    (public_face,) = violations(files | {"lstm_jax/cells/x.py": "from lstm_jax import scan"})
    assert public_face == "lstm_jax/cells/x.py imports lstm_jax/__init__.py, which stands above it"
    assert not violations(files | {"lstm_jax/cells/x.py": "from lstm_jax.cells import LSTM"})
    assert violations(files | {"lstm_jax/new.py": ""}) == [
        "lstm_jax/new.py is in no room: give it one, or name a new one in HOUSE"
    ]


def test_cycles_are_found():
    a, b = "lstm_jax/data/a.py", "lstm_jax/data/b.py"
    files = {a: "from lstm_jax.data import b", b: "def late():\n    from lstm_jax.data.a import x"}
    assert violations(files) == [f"a cycle: {a} -> {b} -> {a}"]
    assert not violations(files | {b: "import numpy"})


def test_packages_outside_their_places_are_found():
    for path, line, is_wrong in (
        ("lstm_jax/modules/x.py", "from flax import nnx", False),
        ("lstm_jax/tasks/x.py", "from flax import nnx", False),
        ("lstm_jax/training/x.py", "from flax import nnx", True),
        ("lstm_jax/storage/checkpoints.py", "import orbax.checkpoint as ocp", False),
        ("lstm_jax/storage/other.py", "import orbax.checkpoint as ocp", True),
        ("lstm_jax/programs/x.py", "from absl import app", False),
        ("experiments/x.py", "from absl import app", True),
        ("lstm_jax/training/x.py", "from absl import logging", True),
        ("scripts/benchmarks/peers/x.py", "from flax import linen", False),
        ("scripts/benchmarks/x.py", "from flax import linen", True),
        ("scripts/benchmarks/peers/x.py", "import haiku", False),
        ("scripts/benchmarks/x.py", "import haiku", True),
        ("scripts/benchmarks/peers/x.py", "from torch.nn import functional", False),
        ("scripts/benchmarks/x.py", "def late():\n    import torch", True),
        ("scripts/prepare_data.py", "import tensorflow", False),
        ("scripts/other.py", "import tensorflow as tf", True),
        ("lstm_jax/data/x.py", "import tensorflow_datasets", False),
        ("experiments/x.py", "from scripts import prepare_data", True),
        ("lstm_jax/data/x.py", "import scripts.prepare_data", True),
    ):
        assert bool(violations({path: line})) == is_wrong, (path, line)


def test_the_files_that_are_left_out_of_the_fast_suite_are_there():
    names = (ROOT / "tests" / "long.txt").read_text().split()
    assert names == sorted(set(names))
    assert all((ROOT / "tests" / name).is_file() for name in names)
