from collections.abc import Iterator

import pytest

from tests.stack import running
from tests.stack.running import Stack


@pytest.fixture(scope="session")
def docker_compose() -> list[str]:
    """The command that speaks to an engine with the stack's images; skips where there is none."""
    if reason := running.why_not():
        pytest.skip(reason)
    return running.compose_command()


@pytest.fixture(scope="session")
def stack(docker_compose: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack of this session, up, with a user of each role."""
    with running.running(tmp_path_factory.mktemp("stack"), docker_compose) as made:
        yield made
