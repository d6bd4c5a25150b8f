"""Races as plain text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import counted
from .terminal import align, number

if TYPE_CHECKING:
    from ..checks.races import Lane, Race

UNITS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def describe_race(race: Race) -> list[str]:
    """The table of lanes, whether they agree, and what each costs."""
    return [
        head_line(race),
        "",
        *align(lane_rows(race), words=True),
        "",
        *judge(race),
        *compare_costs(race),
    ]


def head_line(race: Race) -> str:
    """What is raced."""
    model = race.model
    rate = number(model.learning_rate)
    return (
        f"{model.target} ~ {counted(len(model.names), 'coefficient')} of "
        f"{model.provenance.source}, {counted(model.rows.used, 'row')}: "
        f"{counted(race.epochs, 'epoch')} at rate {rate}"
    )


def lane_rows(race: Race) -> list[list[str]]:
    """Cells of the table: its head, then a row for each lane."""
    word = "objective" if race.model.settings.l2 else "loss"
    rows = [["", "epoch", word, "difference of w", "per epoch", "before", ""]]
    return rows + [_lane_cells(lane, closed=lane is race.lanes[-1]) for lane in race.lanes]


def _lane_cells(lane: Lane, *, closed: bool) -> list[str]:
    if not lane.ran:
        return [lane.name, "", "", "", "", "", lane.note]
    verdict = "" if closed else "agrees" if lane.agree else "DIFFERS"
    return [
        lane.name,
        f"{lane.epochs:,}",
        f"{lane.losses[-1]:.8g}",
        "" if closed else f"{lane.difference:.1e}",
        "" if lane.pace is None else duration(lane.pace),
        duration(lane.setup),
        lane.note or verdict,
    ]


def judge(race: Race) -> list[str]:
    """Whether the lanes gave one answer, in a sentence."""
    over_rows = [lane for lane in race.lanes[:-1] if lane.ran]
    ways = {2: "two", 3: "three", 4: "four"}.get(len(over_rows) + 1, "")
    if not over_rows:
        return ["no lane over rows ran: there is nothing to compare."]
    lane = max(over_rows, key=lambda lane: lane.difference or 0.0)
    apart = [lane for lane in over_rows if not lane.agree]
    if apart:
        worst = apart[0]
        return [
            f"{worst.name} is {worst.difference:.1e} from the closed form, where rounding "
            f"allows {worst.bounds[-1]:.1e}: not one answer."
        ]
    return [
        f"{ways} ways, one answer: no weight differs by more than {lane.difference:.1e}, and "
        f"rounding allows {lane.bounds[-1]:.1e}."
    ]


def compare_costs(race: Race) -> list[str]:
    """What each lane costs, a line each, from what was measured."""
    *over_rows, closed = race.lanes
    lines = [
        f"moments: one scan and solution of {duration(closed.setup)}, then "
        f"{duration(closed.pace or 0.0)} an epoch, however many rows there are."
    ]
    rows = counted(race.model.rows.used, "row")
    for lane in over_rows:
        if lane.pace and closed.pace:
            ratio = lane.pace / closed.pace
            times = f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"
            lines.append(
                f"{lane.name.partition(',')[0]}: {duration(lane.pace)} an epoch over {rows}, "
                f"{times} × as long."
            )
    return lines


def duration(seconds: float) -> str:
    """Seconds with three digits, in the unit that suits.

    Examples
    --------
    >>> duration(0.0251), duration(2.1e-6), duration(75.0), duration(0.0)
    ('25.1 ms', '2.1 µs', '75 s', '0 s')
    """
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 else f"{seconds:,.0f} s"
    return "0 s"


def race_object(race: Race) -> dict[str, Any]:
    """A race for machines."""
    model = race.model
    return {
        "target": model.target,
        "source": model.provenance.source,
        "rows": model.rows.used,
        "epochs": race.epochs,
        "learning_rate": model.learning_rate,
        "learning_rate_reason": model.learning_rate_reason,
        "l2": model.settings.l2,
        "scale": model.settings.scale,
        "agree": race.agree,
        "complete": race.complete,
        "lanes": [_lane_object(lane) for lane in race.lanes],
        "notes": list(model.notes),
        "version": model.provenance.version,
    }


def _lane_object(lane: Lane) -> dict[str, Any]:
    from ..store import finite

    found: dict[str, Any] = {"name": lane.name, "note": lane.note or None, "epochs": lane.epochs}
    if not lane.ran:
        return found
    return {
        **found,
        "objective": finite(float(lane.losses[-1])),
        "coefficients": [
            {"name": name, "value": finite(value)} for name, value in lane.coefficients.items()
        ],
        "difference": finite(lane.difference or 0.0),
        "bound": finite(float(lane.bounds[-1])),
        "agree": lane.agree,
        "seconds_per_epoch": lane.pace,
        "seconds_before": lane.setup,
    }
