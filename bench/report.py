"""What is printed: a table a figure, and the lines that say whether what was wanted holds."""

from dataclasses import dataclass, field

from measure import Figures, median, spread


@dataclass
class Line:
    """One thing that is wanted: the median of `values` at most `limit`, or at least."""

    work: str
    beside: str
    values: list[float]
    limit: float
    what: str
    unit: str = "x"
    goal: float | None = None
    at_least: bool = False
    form: str = "{:.2f}"

    def is_within(self, bound: float) -> bool:
        value = median(self.values)
        return value >= bound if self.at_least else value <= bound

    def row(self) -> str:
        sign = "≥" if self.at_least else "≤"
        unit = self.unit if self.unit in ("x", "") else f" {self.unit}"
        goal = "" if self.goal is None else f" ({self.goal:g}{unit})"
        holds = "no"
        if self.is_within(self.limit):
            holds = "yes, and the goal" if self.goal is not None and self.is_within(self.goal) else "yes"
        return f"| {self.work} | {self.beside} | {self.what + ' ' if self.what else ''}{spread(self.values, self.form)}{unit} | {sign} {self.limit:g}{unit}{goal} | {holds} |"


@dataclass
class Result:
    text: str
    lines: list[Line] = field(default_factory=list)


def summary(lines: list[Line]) -> str:
    head = ["| work | beside | measured: median [min..max] of the rounds | wanted (goal) | holds |", "|---|---|---|---|---|"]
    return "\n".join([*head, *(line.row() for line in lines)]) + "\n"


def paired(found: dict[str, list[Figures]], ours: str, other: str, what: str) -> list[float]:
    """Each round's figure of ours over the other's of the same round."""
    pairs = [(getattr(a, what), getattr(b, what)) for a, b in zip(found[ours], found[other])]
    return [a / b for a, b in pairs if b > 0] or [0.0]


def table(title: str, found: dict[str, list[Figures]], bold: str, note: str = "", unit: str = "request", to_base: bool = False) -> str:
    """Ratios are the bold row's figure over each row's; or each row's over the bold one's, which is the base then."""
    whose = ("its CPU", f"to {bold}") if to_base else (f"CPU of {bold}", "to it")
    lines = [f"### {title}", ""]
    if note:
        lines += [note, ""]
    lines += [
        f"| | {unit}s/s | CPU µs a {unit} | of it user | p50 µs | p99 µs | {' '.join(whose)} | user CPU | rate |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, figures in found.items():
        pair = (name, bold) if to_base else (bold, name)
        ratios = ["1"] * 3 if name == bold else [spread(paired(found, *pair, what)) for what in ("cpu", "user", "rate")]
        cells = [
            spread([f.rate / 1000 for f in figures], "{:.1f}k"), spread([f.cpu for f in figures], "{:.1f}"), spread([f.user for f in figures], "{:.1f}"),
            spread([f.p50 for f in figures], "{:.0f}"), spread([f.p99 for f in figures], "{:.0f}"), *ratios,
        ]
        lines.append(f"| {'**' + name + '**' if name == bold else name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
