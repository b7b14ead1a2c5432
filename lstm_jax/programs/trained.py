"""What programs that use a trained run have in common: which run, which step, whom to trust."""

from absl import flags

import lstm_jax
from lstm_jax.errors import ConfigError
from lstm_jax.programs import program


class RunFlags:
    """The flags `--workdir`, `--step` and `--trust`."""

    def __init__(self, own: flags.FlagValues):
        """Defines them among the flags of a program."""
        step = "A step that is kept, best (the default) or latest."
        trust = "Packages whose classes the config may use."
        self._workdir = flags.DEFINE_string("workdir", None, "Run directory.", flag_values=own)
        self._step = flags.DEFINE_string("step", None, step, flag_values=own)
        self._trust = flags.DEFINE_list("trust", [], trust, flag_values=own)

    @property
    def is_named(self) -> bool:
        """Whether a run directory was given."""
        return self._workdir.value is not None

    def load(self) -> lstm_jax.Run:
        """The run.

        Raises:
            UserError: it is not named, or cannot be loaded.
        """
        if self._workdir.value is None:
            raise ConfigError("--workdir is missing: give the directory of a run")
        step = program.parse_step(self._step.value)
        return lstm_jax.load(self._workdir.value, step, self._trust.value)

    def load_unchanged(self) -> lstm_jax.Run:
        """The run, for programs that do not take `--config` flags.

        Raises:
            UserError: there is such a flag; else as `load`.
        """
        if changes := program.config_changes():
            raise ConfigError(f"--config.{next(iter(changes))}: a trained model cannot be changed")
        return self.load()
