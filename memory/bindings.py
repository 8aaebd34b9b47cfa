"""The closed list of personal values that copy and templates may name; each is read from a record at the send."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "money", "date", "code", "link", "image", "colour", "paragraphs", "choices"]


@dataclass(frozen=True, slots=True)
class Binding:
    """One value that `{{ name }}` stands for."""

    name: str
    kind: Kind
    sentence: dict[str, str]
    """What it is, in English and French."""
    in_copy: bool = True
    """False for values that only a template may place: looks, and the slots themselves."""


def _binding(name: str, kind: Kind, en: str, fr: str, *, in_copy: bool = True) -> Binding:
    return Binding(name, kind, {"en": en, "fr": fr}, in_copy)


_ALL: Final = (
    _binding("contact.first_name", "text", "the contact's first name", "le prénom du contact"),
    _binding("product.name", "text", "the name of the product", "le nom du produit"),
    _binding("product.price", "money", "its price in the catalogue", "son prix au catalogue"),
    _binding("product.category", "text", "the category of the product", "la catégorie du produit"),
    _binding("product.image", "image", "its picture", "sa photo", in_copy=False),
    _binding("category.name", "text", "the category the play is about", "la catégorie dont parle l'action"),
    _binding("last_order.date", "date", "the day of the last order", "le jour de la dernière commande"),
    _binding("last_order.product_name", "text", "a product of the last order", "un produit de la dernière commande"),
    _binding("offer.label", "text", "the approved words of the offer", "le libellé approuvé de l'offre"),
    _binding("offer.code", "code", "the code of the offer", "le code de l'offre"),
    _binding("offer.ends_on", "date", "the last day of the offer", "le dernier jour de l'offre"),
    _binding("links.shop", "link", "the shop", "la boutique"),
    _binding("links.product", "link", "the product's page", "la page du produit"),
    _binding("links.category", "link", "the category's page", "la page de la catégorie"),
    _binding("links.reorder", "link", "the page to order it again", "la page pour recommander"),
    _binding("links.unsubscribe", "link", "the way out, one click", "la désinscription en un clic"),
    _binding("links.confirm", "link", "the page that confirms an address", "la page qui confirme une adresse"),
    _binding("links.preferences", "link", "the page of preferences", "la page des préférences"),
    _binding("brand.name", "text", "the name of the brand", "le nom de la marque"),
    _binding("brand.sender_name", "text", "the name of the sender", "le nom de l'expéditeur"),
    _binding("brand.postal_address", "text", "the postal address", "l'adresse postale", in_copy=False),
    _binding("brand.website", "link", "the website of the brand", "le site de la marque", in_copy=False),
    _binding("brand.logo_url", "image", "the logo of the brand", "le logo de la marque", in_copy=False),
    _binding("brand.colours.primary", "colour", "main colour", "couleur principale", in_copy=False),
    _binding("brand.colours.on_primary", "colour", "text on it", "texte sur celle-ci", in_copy=False),
    _binding("brand.colours.background", "colour", "page colour", "couleur de page", in_copy=False),
    _binding("brand.colours.surface", "colour", "paper colour", "couleur du papier", in_copy=False),
    _binding("brand.colours.text", "colour", "text colour", "couleur du texte", in_copy=False),
    _binding("brand.colours.muted", "colour", "small print colour", "couleur des mentions", in_copy=False),
    _binding("copy.subject", "text", "the subject slot", "l'objet", in_copy=False),
    _binding("copy.preheader", "text", "the preheader slot", "le pré-en-tête", in_copy=False),
    _binding("copy.headline", "text", "the headline slot", "le titre", in_copy=False),
    _binding("copy.body", "paragraphs", "the paragraphs", "les paragraphes", in_copy=False),
    _binding("copy.button", "text", "the button slot", "le bouton", in_copy=False),
    _binding("copy.link", "link", "where the button leads", "la cible du bouton", in_copy=False),
    _binding("copy.choices", "choices", "the choices, each with label and link", "les choix", in_copy=False),
    _binding("copy.language", "text", "language of the message", "langue du message", in_copy=False),
)

BINDINGS: Final[dict[str, Binding]] = {binding.name: binding for binding in _ALL}
"""Every binding by name. In copy nothing else may stand in `{{ }}`; a template adds its own loop variables."""

ANSWER: Final = "answers."
"""Begins the name of an answer that a contact gave to a question of the brand: `answers.favourite`."""


def binding(name: str) -> Binding | None:
    """The binding of that name, answers included; None where there is none."""
    if name.startswith(ANSWER) and re.fullmatch(r"[a-z][a-z_]{0,40}", name.removeprefix(ANSWER)):
        return _binding(name, "text", "what the contact answered", "la réponse du contact")
    return BINDINGS.get(name)


FILTERS: Final = frozenset({"default"})
"""Liquid filters allowed in copy: `{{ contact.first_name | default: "there" }}`. Templates may use more."""

PLACEHOLDER: Final = re.compile(r"\{\{-?\s*(?P<name>[A-Za-z_][\w.]*)\s*(?P<filters>(?:\|[^{}]*)?)-?\}\}")
"""A binding in copy, with its filters."""


def names_used(texts: Iterable[str]) -> list[str]:
    """The binding names that stand in some texts, sorted, each once, known or not."""
    return sorted({match["name"] for text in texts for match in PLACEHOLDER.finditer(text)})
