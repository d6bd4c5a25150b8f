"""Files made on the spot, and one way to expect a refusal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

Write = Callable[[str, str | bytes], str]
Refused = Callable[..., AbstractContextManager[None]]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file and give its path."""

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


@pytest.fixture
def refused() -> Refused:
    """Expect an error of exactly this class, with these words and a hint of one line."""

    @contextmanager
    def refused(error: type[Exception], *words: str) -> Iterator[None]:
        with pytest.raises(error) as caught:
            yield
        assert type(caught.value) is error
        text = str(caught.value)
        assert text.count("\n\nHint: ") == 1
        assert "\n" not in text.partition("\n\nHint: ")[2]
        for word in words:
            assert word in text

    return refused
