"""Which fields of a CRM speak of consent, and what a step may write there: what was withdrawn, never what was given."""

from __future__ import annotations

import re
from typing import Final

CONSENT: Final = "consent"
"""What a step names to pass a withdrawal on, in the way that each system has for it."""
WITHDRAWN: Final = "withdrawn"
MADE_UP: Final = "a consent comes from the contact, not from a step"
# Of names in small letters, without whatever stands between their words.
_BARS: Final = re.compile(r"optout|optedout|unsubscri|donot(call|contact|e?mail|text|sms|track)|suppress|bl(o|a)cklist")
_ALLOWS: Final = re.compile(
    r"consent|(?<!ad)optin|optedin|subscribed|subscriptions?(type|preference)|communicationpreference"
    r"|(email|mail|sms|marketing|newsletter)(subscri|permission|allowed)|accepts(marketing|e?mail|sms|newsletter)"
    r"|legalbasis|gdpr|rgpd"
)


def made_up(name: str, value: object) -> str:
    """Why a step may not write a value into a field of a contact; empty for one that it may."""
    if name == CONSENT:
        return "" if value == WITHDRAWN else f"{MADE_UP}: {CONSENT} takes the value {WITHDRAWN}, and no other"
    plain = re.sub(r"[\W_]", "", name).casefold()
    if _BARS.search(plain):
        return "" if value is True else f"{MADE_UP}: {name} takes the value true, and no other"
    if _ALLOWS.search(plain):
        return f"{MADE_UP}: {name} speaks of consent; to pass a withdrawal on, write {CONSENT}: {WITHDRAWN}"
    return ""
