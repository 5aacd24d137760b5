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
        """A line for each peer: its seconds and memory."""
        lines = []
        for name in self.names():
            values, peak = self.of(name)
            lines.append([name, *(seconds(f(values)) for f in (median, min, max)), megabytes(peak)])
        return table(["", "median", "min", "max", "peak memory"], lines)

    def summary(self, work: str) -> list[list[str]]:
        """Lines with a column for each mode: seconds, memory, and ratios of the peers to it."""
        ours = self.ours()
        values, peaks = zip(*(self.of(our) for our in ours), strict=True)
        lines = [
            [f"{work}: median", *(seconds(median(v)) for v in values)],
            [f"{work}: peak memory", *(megabytes(peak) for peak in peaks)],
        ]
        for name in self.names():
            if name not in ours:
                ratios = [spread(self.ratios(name, our)) for our in ours]
                lines.append([f"{work}: {name}, times", *ratios])
        return lines

    def ours(self) -> list[str]:
        return [record.peer.name for record in self.groups[0] if record.peer.ours]

    def names(self) -> list[str]:
        return list(dict.fromkeys(r.peer.name for group in self.groups for r in group))

    def of(self, name: str) -> tuple[list[float], int]:
        """Seconds of all groups, and the highest peak of memory."""
        records = [r for group in self.groups for r in group if r.peer.name == name]
        values = [value for record in records for value in self.counted(record)]
        return values, max(record.peak_bytes for record in records)

    def ratios(self, name: str, our: str) -> list[float]:
        """Seconds of a peer to those of supmer in the same round."""
        found = []
        for group in self.groups:
            by_name = {record.peer.name: record for record in group}
            if name in by_name:
                pairs = zip(self.counted(by_name[name]), self.counted(by_name[our]), strict=True)
                found += [other / own for other, own in pairs]
        return found


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
