"""Sequences to check, tell and draw: a few by hand, and any that hypothesis thinks of."""

from __future__ import annotations

from hypothesis import strategies as st
from pydantic import TypeAdapter

from memory.steps import Sequence, Step

STEP: TypeAdapter[Step] = TypeAdapter(Step)
CLICKED: dict[str, object] = {"type": "event", "event": "click", "where": [{"property": "link", "one_of": ["shoes"]}]}
NEEDED: dict[str, dict[str, object]] = {
    "wait_window": {"from_hour": 9, "until_hour": 12, "weekdays": [1, 2, 3]},
    "wait_event": {"event": "click"},
    "update": {"attribute": "tier", "value": 1},
    "alert": {"task": {"en": "Call them.", "fr": "Les appeler."}},
}


def sequence(*steps: dict[str, object]) -> Sequence:
    """A sequence of these steps."""
    return Sequence(key="one", title="One", steps=tuple(STEP.validate_python(one) for one in steps), share=1)


def send(key: str, subject: str = "Hello", **more: object) -> dict[str, object]:
    copy = {"subject": subject, "headline": subject, "body": ["Hello."]}
    return {"kind": "send", "key": key, "template": "letter", "copies": {"en": copy, "fr": copy}, **more}


def wait(key: str, **more: object) -> dict[str, object]:
    return {"kind": "wait", "key": key, **more}


def branch(key: str, then: str, otherwise: str) -> dict[str, object]:
    return {"kind": "branch", "key": key, "condition": CLICKED, "then": then, "otherwise": otherwise}


def leave(key: str = "end") -> dict[str, object]:
    return {"kind": "exit", "key": key}


@st.composite
def any_sequence(draw: st.DrawFn, *, forward: bool = False) -> Sequence:
    """Up to eight steps that lead anywhere, or (``forward``) only on, to one exit at the end at the latest."""
    size = draw(st.integers(2 if forward else 1, 8))
    steps = []
    for place in range(size):
        key = f"s{place}"
        last = place == size - 1
        aims = st.sampled_from([f"s{aim}" for aim in (range(place + 1, size) if forward and not last else range(size))])
        kind = "exit" if forward and last else draw(
            st.sampled_from(["send", "wait", "wait_window", "wait_event", "branch", "update", "alert", "exit"])
        )  # fmt: skip
        if kind == "branch":
            steps.append(branch(key, draw(aims), draw(aims)))
            continue
        one: dict[str, object] = {"kind": kind, "key": key}
        if kind != "exit":
            one["next"] = draw(st.none() | aims)
        if kind in ("wait", "wait_event"):
            one["hours"] = draw(st.integers(1, 72))
        if kind == "send":
            purpose = draw(st.sampled_from(["marketing", "transactional"]))
            action = draw(st.sampled_from(["", "", "add", "remove"]))
            listed = {"channel": "audience", "listing": {"audience": "carts", "action": action}}
            one = one | listed if action else send(key, purpose=purpose, next=one["next"])
        one |= NEEDED.get(kind, {})
        steps.append(one)
    return sequence(*steps)


def cart() -> Sequence:
    """A reminder of a cart, then shoes for those who clicked on shoes and a call for the others."""
    return sequence(
        wait("calm", minutes=20),
        send("first", "Your cart is still here{% if contact.first_name %}, {{ contact.first_name }}{% endif %}"),
        {"kind": "wait_event", "key": "look", "event": "click", "days": 1},
        branch("clicked", "mornings", "call"),
        {"kind": "wait_window", "key": "mornings", **NEEDED["wait_window"]},
        send("shoes", "More shoes", next="end"),
        {"kind": "alert", "key": "call", **NEEDED["alert"]},
        {"kind": "update", "key": "mark", "attribute": "cart_rescue", "value": "called"},
        leave(),
    )
