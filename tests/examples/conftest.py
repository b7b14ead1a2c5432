from tests.programs.conftest import program  # noqa: F401  a fixture
