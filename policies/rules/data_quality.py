"""A play waits until the record is good enough for it."""

from __future__ import annotations

from pydantic import Field

from memory.floors import Floors
from policies.facts import ProposalFacts, need
from policies.rule import Context, Parameters, Rule, Ruling, hold


class DataQualityLimits(Parameters):
    """Floors for every play, by measure (0 to 1), besides what its playbook requires."""

    minimum_measures: Floors = Field(default_factory=dict)


def review(facts: ProposalFacts, limits: DataQualityLimits, context: Context) -> list[Ruling]:
    wanted = dict(limits.minimum_measures)
    for name, least in need(facts.requirements, "requirements").items():
        wanted[name] = max(least, wanted.get(name, least))
    measured = need(facts.quality, "quality")
    said = []
    for name, least in sorted(wanted.items()):
        value = measured.get(name)
        if value is None or not value >= least:
            cleaning = facts.cleaning.get(name, "")
            said.append(
                hold(
                    f"The record is too poor for this play: {name.replace('_', ' ')}. {cleaning}".strip(),
                    fact="not measured" if value is None else f"{value:g}",
                    limit=f"at least {least:g}",
                    part="audience",
                )
            )
    return said


RULE = Rule(id="data_quality", parameters=DataQualityLimits, review=review)
