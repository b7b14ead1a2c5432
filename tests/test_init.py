"""What `import lstm_jax` gives, and what it leaves until it is asked for."""

import subprocess
import sys

import pytest

import lstm_jax


def test_what_takes_long_to_import_is_imported_when_it_is_used() -> None:
    code = (
        "import sys\n"
        "import lstm_jax\n"
        "assert 'load_sweep' in dir(lstm_jax)\n"
        "of_sweeps = {'optuna', 'sqlalchemy', 'scipy.stats'}\n"
        "heavy = {'matplotlib', 'tensorboardX', 'torch', *of_sweeps}\n"
        "assert not heavy & sys.modules.keys(), heavy & sys.modules.keys()\n"
        "from lstm_jax import load_sweep\n"
        "assert of_sweeps <= sys.modules.keys()\n"
        "assert load_sweep is lstm_jax.load_sweep\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_a_wrong_name_is_an_attribute_error() -> None:
    name = "load_swep"
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
        getattr(lstm_jax, name)
