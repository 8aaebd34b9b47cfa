"""The words of the pages that contacts see, in English and French."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LANGUAGES: Final = {"en": "English", "fr": "Français"}

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "title": "Unsubscribe",
        "ask": "Do you want to stop receiving e-mail from {name}?",
        "button": "Yes, unsubscribe me",
        "instead": "Or choose what you get, and how often",
        "done": "Done. You will receive no more marketing e-mail from {name}.",
        "bad": "This link is incomplete or damaged. Use the link in the newest message, or reply to it with “stop”.",
        "unreadable": "This form is incomplete. Open the page again from the link in the message.",
        "confirm_title": "Confirm your address",
        "confirm_ask": "Do you want to receive e-mail from {name} at this address?",
        "confirm_button": "Yes, confirm",
        "confirm_done": "Thank you, your address is confirmed. You can leave at any time by a link in every message.",
        "preferences": "What you get from {name}",
        "topics": "What may we write to you about?",
        "topics_hint": "Messages that are about none of these may still reach you. The last button stops everything.",
        "frequency": "How often at most?",
        "every_0": "As it comes",
        "every_7": "At most one message a week",
        "every_30": "At most one message a month",
        "pause": "A pause",
        "pause_keep": "Stay paused until {until}",
        "pause_0": "No pause",
        "pause_7": "Nothing for 7 days",
        "pause_30": "Nothing for 30 days",
        "pause_90": "Nothing for 90 days",
        "no_answer": "No answer",
        "save": "Save",
        "saved": "Saved. This holds from the next message on.",
        "left": "You receive no marketing e-mail from {name}. What you choose here does not change that.",
        "leave": "Stop all e-mail",
        "lost": "This link leads nowhere any more.",
        "home": "Go to {name}",
    },
    "fr": {
        "title": "Se désabonner",
        "ask": "Voulez-vous ne plus recevoir d’e-mails de {name} ?",
        "button": "Oui, me désabonner",
        "instead": "Ou choisissez ce que vous recevez, et à quel rythme",
        "done": "C’est fait. Vous ne recevrez plus d’e-mails publicitaires de {name}.",
        "bad": "Ce lien est incomplet ou abîmé. Utilisez celui du dernier message, ou répondez-y « stop ».",
        "unreadable": "Ce formulaire est incomplet. Rouvrez la page depuis le lien du message.",
        "confirm_title": "Confirmer votre adresse",
        "confirm_ask": "Voulez-vous recevoir à cette adresse des e-mails de {name} ?",
        "confirm_button": "Oui, je confirme",
        "confirm_done": "Merci, votre adresse est confirmée. Chaque message porte un lien pour arrêter.",
        "preferences": "Ce que vous recevez de {name}",
        "topics": "De quoi pouvons-nous vous parler ?",
        "topics_hint": "Des messages hors de ces thèmes peuvent vous parvenir. Le dernier bouton arrête tout.",
        "frequency": "À quel rythme, au plus ?",
        "every_0": "Sans limite de ma part",
        "every_7": "Au plus un message par semaine",
        "every_30": "Au plus un message par mois",
        "pause": "Une pause",
        "pause_keep": "Rester en pause jusqu’au {until}",
        "pause_0": "Pas de pause",
        "pause_7": "Rien pendant 7 jours",
        "pause_30": "Rien pendant 30 jours",
        "pause_90": "Rien pendant 90 jours",
        "no_answer": "Sans réponse",
        "save": "Enregistrer",
        "saved": "C’est enregistré, et valable dès le prochain message.",
        "left": "Vous ne recevez plus d’e-mails publicitaires de {name}. Vos choix ici n’y changent rien.",
        "leave": "Arrêter tous les e-mails",
        "lost": "Ce lien ne mène plus nulle part.",
        "home": "Aller chez {name}",
    },
}


def language_of(asked: str, accepted: str) -> str:
    """The language of a page: the one asked for in its address, else the reader's, else English."""
    if asked in TEXTS:
        return asked
    preferred = (part.split(";")[0].strip().lower()[:2] for part in accepted.split(","))
    return next((language for language in preferred if language in TEXTS), "en")
