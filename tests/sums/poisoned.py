"""Sources of which some parts are the death of whoever reads them."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steepest.data.open import open_source
from steepest.data.table import WrappedPart


@dataclass(frozen=True)
class Poison(WrappedPart):
    """A file as a source, or one of its parts; one of them kills its reader, so many times."""

    place: int
    times: int
    marks: str
    number: int = -1

    def schema(self, wanted: Any = None) -> Any:
        return self.inner.schema(wanted)

    def parts(self) -> list[Any]:
        return [
            Poison(part, self.place, self.times, self.marks, i)
            for i, part in enumerate(self.inner.parts())
        ]

    def batches(self, reads: Any) -> Any:
        if self.number == self.place:
            with Path(self.marks).open("a") as file:
                file.write("x")
            if len(Path(self.marks).read_text()) <= self.times:
                os.kill(os.getpid(), signal.SIGKILL)
        return self.inner.batches(reads)


def open_poison(path: Path, place: int, times: int) -> Poison:
    marks = path.with_suffix(".marks")
    marks.write_text("")
    return Poison(open_source(path), place, times, str(marks))
