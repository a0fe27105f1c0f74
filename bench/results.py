"""The results file: raw figures of every round, the bars, and the machine; a part for each benchmark."""

import os
import platform
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Final, Self

from pydantic import BaseModel, ConfigDict

FILE: Final = Path(__file__).parent / "results" / "latest.json"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_Model):
    """What it was measured on; `load` is the machine's load average before."""

    processor: str
    processors: int
    memory_gb: int
    system: str
    python: str
    load: float

    @classmethod
    def this(cls) -> Self:
        """The machine that runs this."""
        return cls(
            processor=_processor(),
            processors=os.cpu_count() or 1,
            memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
            system=f"{platform.system()} {platform.machine()}",
            python=platform.python_version(),
            load=round(os.getloadavg()[0], 1),
        )


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    lines = described.read_text("utf-8").splitlines() if described.exists() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or "unknown")


class Judged(_Model):
    """A bar, and the median that was measured for it; None where a side is missing."""

    says: str
    of: str
    to: str | None
    most: float | None
    least: float | None
    value: float | None
    met: bool


class Part(_Model):
    """One benchmark's results: `figures` has the raw numbers, one of each round."""

    number: str
    title: str
    work: str
    unit: str
    sides: list[str]
    figures: dict[str, list[float]]
    counts: dict[str, int]
    missing: dict[str, str]
    bars: list[Judged]
    measured_at: datetime
    machine: Machine

    def of(self, figure: str) -> float | None:
        """The median of a figure."""
        numbers = self.figures.get(figure)
        return median(numbers) if numbers else None


class Results(_Model):
    """All parts, by their numbers."""

    parts: dict[str, Part] = {}

    @classmethod
    def load(cls, file: Path = FILE) -> Self:
        """The results of earlier runs."""
        return cls.model_validate_json(file.read_bytes()) if file.exists() else cls()

    def with_part(self, part: Part) -> Self:
        """The same with a part anew."""
        parts = self.parts | {part.number: part}
        return self.model_copy(update={"parts": dict(sorted(parts.items(), key=lambda one: int(one[0][1:])))})

    def save(self, file: Path = FILE) -> None:
        """Write the file."""
        file.parent.mkdir(exist_ok=True)
        file.write_text(self.model_dump_json(indent=1) + "\n", "utf-8")
