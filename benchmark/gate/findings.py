"""What a check finds, and the verdict that follows."""

from dataclasses import dataclass
from enum import StrEnum

from isorate.gate.tool_chain import ToolChange
from isorate.runs.manifest import Unfinished


@dataclass(frozen=True, slots=True)
class Measure:
    """What is guarded: a metric or the rate. `head` is the title of its column."""

    name: str
    title: str
    digits: int
    unit: str = ""
    larger_is_better: bool = True
    head: str = ""


PSNR = Measure("psnr", "PSNR", 4, " dB", head="PSNR dB")
MS_SSIM = Measure("ms_ssim", "MS-SSIM", 6, head="MS-SSIM")
RATE = Measure("bpp", "rate", 5, " bpp", larger_is_better=False, head="bpp")
ALWAYS = (PSNR, MS_SSIM, RATE)


class Kind(StrEnum):
    """What a finding is about."""

    WORSE = "worse"
    BETTER = "better"
    MISSING = "missing row"
    NEW = "new row"
    FAILED = "failed cell"
    RATE = "rate not reached"
    DATA = "changed data"
    CONFIGURATION = "changed configuration"


FAILING = (Kind.WORSE, Kind.MISSING, Kind.FAILED, Kind.RATE, Kind.DATA, Kind.CONFIGURATION)


class Verdict(StrEnum):
    """The outcome of a check; the exit codes are 0, 1 and 2 in this order."""

    PASS = "pass"  # noqa: S105
    REGRESSION = "regression"
    TOOL_CHAIN = "tool-chain change"


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of a row beside the baseline's.

    Attributes
    ----------
    metric
        ``psnr``, ``ms_ssim``, ``bpp`` or a further metric of the run.
    before, after
        The baseline's value and the run's as it was measured.
    change
        ``after - before``, at equal rate but for the rate itself.
    corrected
        The part that the correction to equal rate took away.
    allowed
        By how much it may get worse.
    about
        What the metric is.
    """

    metric: str
    before: float
    after: float
    change: float
    corrected: float
    allowed: float
    about: Measure

    @property
    def loss(self) -> float:
        """The change, positive where it got worse."""
        return -self.change if self.about.larger_is_better else self.change

    @property
    def text(self) -> str:
        """The figure for a reader: ``PSNR 32.1000 → 32.0500 dB, -0.0500 at equal rate (allowed 0.02)``."""
        digits, unit = self.about.digits, self.about.unit
        at = " at equal rate" if self.corrected else ""
        return (
            f"{self.about.title} {self.before:.{digits}f} → {self.after:.{digits}f}{unit}, "
            f"{self.change:+.{digits}f}{at} (allowed {self.allowed:.3g})"
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a reader must know.

    Attributes
    ----------
    kind
        What it is about.
    image, point, codec
        The row; empty where it is about more than one.
    text
        What happened.
    figure
        The metric, for a finding that is better or worse.
    explained
        The changes of the tool chain that can explain it.
    line
        The row's line in the baseline file, or None.
    """

    kind: Kind
    image: str
    point: str
    codec: str
    text: str
    figure: Figure | None = None
    explained: str = ""
    line: int | None = None

    @property
    def fails(self) -> bool:
        """Whether it makes the verdict a regression."""
        return self.kind in FAILING and not self.explained

    @property
    def where(self) -> str:
        """The row's place for a reader."""
        return ", ".join(part for part in (self.image, self.codec, self.point) if part)


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A row that was compared: its figures, and where the slope of its correction came from (empty without one).

    `uncorrected` names the metrics whose slope nobody measured, where the rate is another.
    """

    image: str
    point: str
    codec: str
    label: str
    figures: tuple[Figure, ...]
    slope_from: str
    rate_change_pct: float
    same_stream: bool
    uncorrected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of a check.

    Attributes
    ----------
    rows
        The rows that could be compared.
    findings
        In the run's order.
    changes
        What differs in the tool chain.
    unfinished
        How many of the run's planned rows are there, or None when all are.
    """

    run: str
    baseline: str
    rows: tuple[CheckedRow, ...]
    findings: tuple[Finding, ...]
    changes: tuple[ToolChange, ...]
    unfinished: Unfinished | None = None

    @property
    def verdict(self) -> Verdict:
        """A regression that nothing explains; else a change of the tool chain; else a pass."""
        if any(finding.fails for finding in self.findings):
            return Verdict.REGRESSION
        return Verdict.TOOL_CHAIN if self.changes else Verdict.PASS

    def of(self, *kinds: Kind) -> list[Finding]:
        """Return the findings of some kinds."""
        return [finding for finding in self.findings if finding.kind in kinds]
