"""One switch stops all sending."""

from __future__ import annotations

from policies.facts import MessageFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold


class SwitchLimits(Parameters):
    """Nothing to set."""


def gate(facts: MessageFacts, limits: SwitchLimits, context: Context) -> Ruling | None:
    if need(facts.switch_stopped, "switch_stopped"):
        return hold("All sending is stopped.", fact="stopped", limit="sending resumed by a person")
    return None


RULE = Rule(id="switch", parameters=SwitchLimits, gate=gate, locked=True)
