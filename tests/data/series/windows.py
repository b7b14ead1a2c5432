"""Series in memory as a source, for tests."""

import dataclasses

from lstm_jax.data import Panel, SeriesSource

_GIVEN: dict[str, Panel] = {}


@dataclasses.dataclass(frozen=True)
class GivenSource(SeriesSource):
    """A panel by its name."""

    name: str

    def panel(self):
        return _GIVEN[self.name]

    def load(self):
        return self.panel()


def given_source(panel: Panel, name: str = "given") -> GivenSource:
    """A source of a panel; each name holds the last one."""
    _GIVEN[name] = panel
    return GivenSource(name)
