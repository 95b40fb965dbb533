from collections.abc import Iterator
from pathlib import Path

import harness
import pytest
from wxgate_sandbox import wechat, wechat_sandbox  # noqa: F401 (fixtures)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Logs and databases of a module's processes."""
    return tmp_path_factory.mktemp("wxgate")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[harness.Sandbox]:
    with harness.sandbox() as sandbox:
        yield sandbox
