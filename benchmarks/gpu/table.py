"""The measurements as one table and a few sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

_SPEEDS = {"plain_tokens_per_s": "plain, tokens/s", "speculative_tokens_per_s": "speculative, tokens/s"}


def show(document: Mapping[str, Any], console: Console) -> None:
    """Print everything."""
    console.print(
        f"{document['device']}, driver {document['driver']}, torch {document['torch']} (CUDA {document['cuda']}), "
        f"transformers {document['transformers']}, {document['dtype']}; memory {document['bandwidth_gb_s']:.0f} GB/s "
        f"measured; {document['date']}",
        highlight=False,
    )
    console.print(
        f"Random weights; each drafted token is accepted with probability {document['acceptance']:g} by a coin, not by "
        "the target: only the system is measured. transformers' assisted generation cannot be told what to accept, so "
        "only its time for a round compares; its tokens/s are those of what random networks agree on.",
        highlight=False,
    )
    table = Table("", "eager", "fast", "gain", "floor", "fast/floor", "assisted", header_style="dim")
    for column in table.columns[1:]:
        column.justify = "right"
    for pair in document["pairs"]:
        table.add_section()
        table.add_row(f"[bold]{pair['name']}[/]")
        for row in _rows(pair, document["gamma"]):
            table.add_row(*row)
    console.print(table)
    for pair in document["pairs"]:
        for line in pair["said"]:
            console.print(f"{pair['name']}: {line}", highlight=False, markup=False)
        for bar in pair["bars"]:
            verdict = "reached" if bar["reached"] else "missed"
            console.print(f"{pair['name']}: {bar['bar']}: {verdict}, {bar['value']:.2f}", highlight=False)


def _rows(pair: Mapping[str, Any], gamma: int) -> Iterator[list[str]]:
    eager, fast, floor, beside = pair["eager"], pair["fast"], pair["floor"], pair["assisted"]
    for rows in fast["target_ms"]:
        name = f"target, {rows} row{'s' if rows != '1' else ''}, ms"
        yield _times(name, eager["target_ms"][rows], fast["target_ms"][rows], floor["target_ms"])
    yield _times("drafter, 1 row, ms", eager["drafter_ms"], fast["drafter_ms"], floor["drafter_ms"])
    yield _times(f"draft of {gamma}, ms", eager["draft_ms"], fast["draft_ms"], floor["draft_ms"])
    yield _times("round, ms", eager["round_ms"], fast["round_ms"], floor["round_ms"], beside["round_ms"])
    for key, name in (("device_busy_ms", "  device busy, ms"), ("host_gap_ms", "  host gap, ms")):
        if fast[key] is not None and eager[key] is not None:
            yield [name, f"{eager[key]:.3f}", f"{fast[key]:.3f}"]
    for key, name in _SPEEDS.items():
        other = f"{beside[key]:.1f}" if key in beside else ""
        yield [name, f"{eager[key]:.1f}", f"{fast[key]:.1f}", f"{fast[key] / eager[key]:.2f}", "", "", other]
    rate = f"{fast['acceptance_rate']:.2f}" if fast["acceptance_rate"] is not None else ""
    yield ["accepted of judged", rate, rate]


def _times(name: str, eager: float, fast: float, floor: float, other: float | None = None) -> list[str]:
    beside = "" if other is None else f"{other:.3f}"
    return [name, f"{eager:.3f}", f"{fast:.3f}", f"{eager / fast:.2f}", f"{floor:.3f}", f"{fast / floor:.2f}", beside]
