"""Markdown tables of the alternating run."""

from statistics import median

from session import Record


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def seconds(value: float) -> str:
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def spread(values: list[float]) -> str:
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"


class Times:
    """Seconds of the counted rounds; groups of peers ran one after the other.

    Each group has supmer's workers in it, so a peer's ratio compares steps of the
    same round, a moment apart.
    """

    def __init__(self, groups: list[list[Record]], warm_ups: int) -> None:
        self.groups, self.warm_ups = groups, warm_ups

    def counted(self, record: Record) -> list[float]:
        return [answer["seconds"] for answer in record.answers[self.warm_ups :]]

    def table(self) -> str:
        ours = [record.peer.name for record in self.groups[0] if record.peer.ours]
        head = ["", "median", "min", "max", *(f"times {name}" for name in ours), "peak memory"]
        return table(head, [self.row(name, ours) for name in self.names()])

    def names(self) -> list[str]:
        return list(dict.fromkeys(r.peer.name for group in self.groups for r in group))

    def row(self, name: str, ours: list[str]) -> list[str]:
        values, ratios, peak = [], {our: [] for our in ours}, 0
        for group in self.groups:
            by_name = {record.peer.name: record for record in group}
            if name not in by_name:
                continue
            own = self.counted(by_name[name])
            values += own
            peak = max(peak, by_name[name].peak_bytes)
            for our in ours:
                base = self.counted(by_name[our])
                ratios[our] += [a / b for a, b in zip(own, base, strict=True)]
        return [
            name,
            *(seconds(f(values)) for f in (median, min, max)),
            *("" if name == our else spread(ratios[our]) for our in ours),
            megabytes(peak),
        ]


def first_record(groups: list[list[Record]], name: str) -> Record:
    return next(r for group in groups for r in group if r.peer.name == name)


def loss_table(groups: list[list[Record]], names: list[str], reference: str) -> str:
    """How far each loss curve strays from the reference's."""
    base = [answer["loss"] for answer in first_record(groups, reference).answers]
    rows = []
    for name in names:
        curve = [answer["loss"] for answer in first_record(groups, name).answers]
        largest = max(abs(a - b) for a, b in zip(curve, base, strict=True))
        rows.append([name, f"{curve[0]:.5f}", f"{curve[-1]:.5f}", f"{largest:.1e}"])
    head = ["", "first loss", "last loss", f"largest difference from {reference}"]
    return table(head, rows)


def probability_table(groups: list[list[Record]], names: list[str], reference: str) -> str:
    """How far each worker's probabilities stray from the reference's."""

    def numbers(name: str) -> list[float]:
        answers = first_record(groups, name).answers
        return [p for answer in answers for row in answer["probabilities"] for p in row]

    base = numbers(reference)
    rows = [
        [name, f"{max(abs(a - b) for a, b in zip(numbers(name), base, strict=True)):.1e}"]
        for name in names
    ]
    return table(["", f"largest difference from {reference}"], rows)


def startup_table(first_answers: dict[str, list[float]]) -> str:
    rows = [
        [name, *(seconds(f(values)) for f in (median, min, max))]
        for name, values in first_answers.items()
    ]
    return table(["", "median", "min", "max"], rows)
