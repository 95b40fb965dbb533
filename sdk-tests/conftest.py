from collections.abc import Iterator
from pathlib import Path

import harness
import pytest


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs and databases of a module's processes."""
    return tmp_path_factory.mktemp("wxgate")


@pytest.fixture(scope="module")
def sandbox(folder: Path) -> Iterator[harness.Sandbox]:
    with harness.sandbox(folder) as sandbox:
        yield sandbox
