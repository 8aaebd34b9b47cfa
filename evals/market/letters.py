"""What may be sent in the simulated market, by Noria and by the policies that it is held against: four letters.

Each may come once a week, or once more three days later to those who have not ordered since. In the product that is
one playbook of the shop's own, with all eight under test in each band of customers; most contacts get the shop's
favourite at first, as in a shop that has always sent that one, and half of them a second time.
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
AGAIN_AFTER_DAYS: Final = 3
PLANS: Final = tuple((letter, twice) for twice in (False, True) for letter in LETTERS)
"""What a contact may get in a week: which letter, and whether it comes again."""
PLAYBOOK: Final = "letter_of_the_week"
_TWICE: Final = "_twice"
_WORDS: Final = {
    "news": {
        "en": ("News from the shop", "What is new on our shelves this week, in a few lines."),
        "fr": ("Des nouvelles de la boutique", "Ce qui arrive cette semaine dans nos rayons, en quelques lignes."),
    },
    "story": {
        "en": ("A story from the shop", "Where one of our favourite things comes from, and who makes it."),
        "fr": ("Une histoire de la boutique", "D’où vient un produit que nous aimons, et qui le fabrique."),
    },
    "picks": {
        "en": ("Chosen for you", "A few things that our customers like, and why they come back for them."),
        "fr": ("Choisi pour vous", "Quelques produits que nos clients aiment, et pourquoi ils y reviennent."),
    },
    "question": {
        "en": ("A question for you", "What would you like to see on our shelves? A person reads every reply."),
        "fr": ("Une question pour vous", "Qu’aimeriez-vous trouver dans nos rayons ? Une personne lit chaque réponse."),
    },
}
_AROUND: Final = {
    "en": ("A few words from {{ brand.name }}.", "Hello,", "The shop is open whenever you like.", "Visit the shop"),
    "fr": (
        "Quelques mots de {{ brand.name }}.",
        "Bonjour,",
        "La boutique est ouverte quand vous voulez.",
        "Voir la boutique",
    ),
}
_AGAIN: Final = {"en": "Once more: ", "fr": "Encore une fois : "}


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
        "levels": {key_of(letter, twice=twice): key_of(letter, twice=twice) for letter, twice in PLANS},
        "prior": {"mean": 0.05, "sd": 0.2, "source": "That of the packaged newsletter."},
        "holdout_share": 0.1,
        "days_between": WINDOW_DAYS,
        "requires": {"consent_proof_share": 0.5},
        "exits": ["goal", "consent_withdrawn", "suppressed"],
        "review_days": WINDOW_DAYS,
        "sequences": [
            {
                "key": key_of(letter, twice=twice),
                "title": f"{_WORDS[letter]['en'][0]}{', twice' if twice else ''}",
                "share": (FAVOURITE_SHARE if letter == LETTERS[0] else others) / 2,
                "steps": _steps(letter, twice=twice),
            }
            for letter, twice in PLANS
        ],
    }


def key_of(letter: str, *, twice: bool) -> str:
    """The key of a sequence of the playbook."""
    return f"{letter}{_TWICE if twice else ''}"


def letter_of(sequence_key: str) -> str:
    """Which letter the messages of a sequence of the playbook are."""
    return sequence_key.removesuffix(_TWICE)


def _steps(letter: str, *, twice: bool) -> list[dict[str, Any]]:
    steps = [_send(letter, "letter")]
    if twice:
        wait = {"kind": "wait", "key": f"{letter}_wait", "days": AGAIN_AFTER_DAYS}
        steps += [wait, _send(letter, "again", again=True)]
    return [*steps, {"kind": "exit", "key": f"{letter}_done"}]


def _send(letter: str, name: str, *, again: bool = False) -> dict[str, Any]:
    return {
        "kind": "send",
        "key": f"{letter}_{name}",
        "template": "letter",
        "link": "{{ links.shop }}",
        "copies": {language: _copy(letter, language, again=again) for language in _AROUND},
    }


def _copy(letter: str, language: str, *, again: bool) -> dict[str, Any]:
    subject, line = _WORDS[letter][language]
    preheader, greeting, last, button = _AROUND[language]
    return {
        "subject": f"{_AGAIN[language]}{subject}" if again else subject,
        "preheader": preheader,
        "headline": subject,
        "body": [greeting, line, last],
        "button": button,
    }
