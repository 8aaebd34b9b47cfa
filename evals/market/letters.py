"""What may be sent in the simulated market, by Noria and by the policies that it is held against: four letters.

In the product they are one playbook of the shop's own, with all four letters under test in each band of customers; most
contacts get the shop's favourite at first, as in a shop that has always sent that one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from evals.market.history import BANDS

LETTERS: Final = ("news", "story", "picks", "question")
"""The first one is the shop's favourite."""
FAVOURITE_SHARE: Final = 0.55
WINDOW_DAYS: Final = 7
PLAYBOOK: Final = "letter_of_the_week"
_WORDS: Final = {
    "news": ("News from the shop", "What is new on our shelves this week, in a few lines."),
    "story": ("A story from the shop", "Where one of our favourite things comes from, and who makes it."),
    "picks": ("Chosen for you", "A few things that our customers like, and why they come back for them."),
    "question": ("A question for you", "What would you like to see on our shelves? A person reads every reply."),
}  # fmt: skip
_SUBJECTS_IN_FRENCH: Final = {
    "news": "Des nouvelles de la boutique",
    "story": "Une histoire de la boutique",
    "picks": "Choisi pour vous",
    "question": "Une question pour vous",
}


def write_playbook(folder: Path) -> None:
    """Write the shop's playbook into the folder of a workspace."""
    target = folder / PLAYBOOK
    target.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(_playbook(), sort_keys=False, allow_unicode=True)
    (target / "playbook.yaml").write_text(text, encoding="utf-8")


def _playbook() -> dict[str, Any]:
    others = (1 - FAVOURITE_SHARE) / (len(LETTERS) - 1)
    return {
        "schema_version": 1,
        "id": PLAYBOOK,
        "version": 1,
        "name": {"en": "Letter of the week", "fr": "Lettre de la semaine"},
        "signal": {"en": "A letter is due.", "fr": "Une lettre est prévue."},
        "why_now": {"en": "{{ contacts }} contacts may get it.", "fr": "{{ contacts }} contacts peuvent la recevoir."},
        "trigger": {"kind": "once"},
        "segment": {"type": "compare", "field": "orders_count", "operator": ">=", "value": 1},
        "bands": {"feature": "orders_count", "cuts": list(BANDS)},
        "goal": {"event": "order", "window_days": WINDOW_DAYS},
        "lever": "creative_angle",
        "levels": {one: one for one in LETTERS},
        "prior": {"mean": 0.05, "sd": 0.2, "source": "That of the packaged newsletter."},
        "holdout_share": 0.1,
        "days_between": WINDOW_DAYS,
        "requires": {"consent_proof_share": 0.5},
        "exits": ["goal", "consent_withdrawn", "suppressed"],
        "review_days": WINDOW_DAYS,
        "sequences": [
            {
                "key": letter,
                "title": _WORDS[letter][0],
                "share": FAVOURITE_SHARE if letter == LETTERS[0] else others,
                "steps": [
                    {
                        "kind": "send",
                        "key": f"{letter}_letter",
                        "template": "letter",
                        "link": "{{ links.shop }}",
                        "copies": {"en": _copy(letter), "fr": _copy_in_french(letter)},
                    },
                    {"kind": "exit", "key": f"{letter}_done"},
                ],
            }
            for letter in LETTERS
        ],
    }


def _copy(letter: str) -> dict[str, Any]:
    subject, line = _WORDS[letter]
    return {
        "subject": subject,
        "preheader": "A few words from {{ brand.name }}.",
        "headline": subject,
        "body": ["Hello,", line, "The shop is open whenever you like."],
        "button": "Visit the shop",
    }


def _copy_in_french(letter: str) -> dict[str, Any]:
    subject = _SUBJECTS_IN_FRENCH[letter]
    return {
        "subject": subject,
        "preheader": "Quelques mots de {{ brand.name }}.",
        "headline": subject,
        "body": ["Bonjour,", "Voici quelques mots de la boutique.", "Elle est ouverte quand vous voulez."],
        "button": "Voir la boutique",
    }
