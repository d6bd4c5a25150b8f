"""Rules and schedules as plain JSON values, and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ..descent.rules import RULES, GradientDescent
from ..descent.schedules import SCHEDULES, describe_schedule, find_schedule
from ..descent.searches import SOLVERS
from .settings import Forgotten, Settings

KINDS: dict[str, Any] = {key: type(rule) for key, rule in {**RULES, **SOLVERS}.items()}


def describe_rule(rule: Any) -> dict[str, Any]:
    """The rule's key, with its settings; the name alone of one that is not ours."""
    for key, kind in KINDS.items():
        if type(rule) is kind:
            return {"name": key, **{f.name: getattr(rule, f.name) for f in fields(rule)}}
    return {"name": str(getattr(rule, "name", type(rule).__name__)), "own": True}


def steps_record(settings: Settings) -> dict[str, Any]:
    """How one step follows another, where it is not plain gradient descent throughout."""
    plain = type(settings.rule) is GradientDescent
    schedule = settings.schedule
    ours = isinstance(schedule, tuple(SCHEDULES.values()))
    return {
        "rule": None if plain else describe_rule(settings.rule),
        "tuned": settings.tuned,
        "schedule": describe_schedule(schedule) if ours else None,
        "own_schedule": None if ours else describe_schedule(schedule),
        "l1": settings.l1,
        "allow_divergence": settings.allow_divergence,
        "nonnegative": settings.nonnegative,
        "adaptive": settings.adaptive,
        "penalties": dict(settings.factors),
    }


def read_steps_record(asked: dict[str, Any]) -> dict[str, Any]:
    """The same as settings; what older files do not say is plain gradient descent."""
    epochs, rule = asked["epochs"], asked.get("rule")
    found: Any = GradientDescent()
    if rule is not None:
        given = dict(rule)
        name = given.pop("name")
        if "betas" in given:
            given["betas"] = tuple(given["betas"])
        found = Forgotten(name) if given.get("own") else KINDS[name](**given)
    if asked.get("own_schedule"):
        found = Forgotten(str(asked["own_schedule"]))
    return {
        "rule": found,
        "tuned": bool(asked.get("tuned", False)),
        "schedule": find_schedule(asked.get("schedule"), epochs),
        "l1": float(asked.get("l1", 0.0)),
        "allow_divergence": bool(asked.get("allow_divergence", False)),
        "nonnegative": bool(asked.get("nonnegative", False)),
        "adaptive": float(asked.get("adaptive", 0.0)),
        "factors": tuple((str(n), float(f)) for n, f in asked.get("penalties", {}).items()),
    }
