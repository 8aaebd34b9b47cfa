"""Templates carry no script, form or frame, read no file and hide no text."""

from __future__ import annotations

import re
from typing import Final

from policies.facts import ProposalFacts
from policies.rule import Context, Parameters, Rule, Ruling, refuse

_ACTIVE: Final = re.compile(
    r"<\s*/?\s*(script|iframe|frame|form|input|button|object|embed|applet|base|meta|link|svg|mj-include|mj-html-attributes)\b"
    r"|\bon[a-z]+\s*=\s*[\"']|\bjavascript\s*:|\{%-?\s*(include|render|extends|import)\b",
    re.IGNORECASE,
)
_HIDDEN: Final = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*[:=]\s*[\"']?\s*0(?![.\d]*[1-9])|opacity\s*:\s*0(?![.\d]*[1-9])|"
    r"text-indent\s*:\s*-|mso-hide\s*:\s*all",
    re.IGNORECASE,
)


class TemplateLimits(Parameters):
    """Nothing to set."""


def review(facts: ProposalFacts, limits: TemplateLimits, context: Context) -> list[Ruling]:
    said = []
    for name in facts.play.layouts():
        source = facts.play.templates[name]
        for pattern, what in ((_ACTIVE, "holds something active"), (_HIDDEN, "hides text")):
            found = pattern.search(source)
            if found:
                said.append(
                    refuse(
                        f"Template {name} {what}.", fact=found[0].strip(), limit="visible, passive content", part="copy"
                    )
                )
    return said


RULE = Rule(id="templates", parameters=TemplateLimits, review=review, locked=True)
