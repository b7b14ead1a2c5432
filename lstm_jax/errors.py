"""Errors that a user can mend, each a message of one line: what is wrong and what to do.

Programs print the message and exit with the error's `exit_code`; notebooks see
the exception itself.
"""


class UserError(ValueError):
    """Something the caller gave is wrong: a name, a value, a path, a data set."""

    exit_code = 2


class ConfigError(UserError):
    """A config field does not exist or has a value outside its type."""


class ArgumentError(UserError):
    """A function was given an array of another dtype or other axes, or a number out of range."""


class MissingCapabilityError(ConfigError, AttributeError):
    """The task of a run cannot do what was asked for."""


class DataError(UserError):
    """A data file or data set is missing, empty or malformed."""


class CheckpointError(UserError):
    """A checkpoint is missing, damaged or does not fit the experiment."""


class RunDirectoryError(UserError):
    """A run directory is in use, belongs to another experiment, or is not a run directory."""


class RunDirectoryInUseError(RunDirectoryError):
    """Another process is writing to a run directory."""


class NonFiniteError(ArithmeticError):
    """The loss, a gradient or a parameter became NaN or infinite."""

    exit_code = 1


class StorageError(OSError):
    """Writing to the run directory failed, for example because the disk is full."""

    exit_code = 1


class SweepError(UserError):
    """The storage of a sweep does not answer, or its trials cannot give what is asked."""
