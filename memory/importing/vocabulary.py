"""The names that exports give to their columns, in English and French, and how to tell whose export a file is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field

from memory.importing.report import KINDS, Kind

# Per field the names of its columns, plainest first: where two columns mean one field, the earlier name is preferred.
_PERSON = {
    "contact": "contact id|customer id|client id|contact|customer|client|identifiant|identifiant client|id client|"
    "numero client|n client|code client|record id|record id contact|contactid|who id|whoid|user id|household id|"
    "associated contact ids|associated contact id|contact external id|external id|ext id|vip|lead id|"
    "customer reference|id contact",
    "anonymous": "anonymous id|visitor id|cookie id|device id|session id|id visiteur|id anonyme|client anonyme|"
    "anonymousid",
    "email": "email|e mail|email address|mail|adresse email|adresse e mail|adresse mail|courriel|adresse courriel|"
    "email billing|billing email|customer email|user email|recipient|recipient email|email du client|to|"
    "associated contact emails|person email|personemail",
}
_KNOWN_PERSON = {name: columns for name, columns in _PERSON.items() if name != "anonymous"}
_ITEM = {
    "position": "line|line number|item|line item number|ligne|n ligne|numero de ligne|position",
    "product_id": "product id|lineitem sku|sku|product|item sku|product sku|variant sku|reference|reference produit|"
    "ref|id produit|code produit|article|code article|item id|variant id",
    "product_name": "lineitem name|product name|item name|nom du produit|libelle produit|produit|designation|libelle",
    "category": "category|lineitem category|product category|item category|categorie|rayon|famille",
    "quantity": "quantity|qty|lineitem quantity|quantity refund|item quantity|quantite|qte|nombre",
    "unit_price": "unit price|lineitem price|item cost|item price|price|prix|prix unitaire|pu",
    "amount": "amount|line total|line amount|order line total|item total|montant|total ligne|montant ligne|sales value",
    "line_discount": "line discount|lineitem discount|item discount|remise ligne",
}
_PROOF = {
    "consent_ip": "optin ip|opt in ip|signup ip|consent ip|adresse ip|ip|ip address",
    "confirmed_at": "confirm time|confirmed at|double optin at|double opt in date|confirmation",
    "confirmed_ip": "confirm ip|confirmation ip",
}

FIELDS: dict[Kind, dict[str, str]] = {
    "contacts": {
        **_PERSON,
        "contact": _PERSON["contact"] + "|id|klaviyo id|euid|leid|username",
        "phone": "phone|phone number|mobile phone number|mobile|mobile phone|telephone|tel|portable|sms|"
        "default address phone|billing phone|whatsapp",
        "first_name": "first name|firstname|prenom|given name|billing first name|prenom du client|vorname",
        "last_name": "last name|lastname|nom|nom de famille|surname|family name|billing last name|nachname",
        "full_name": "name|full name|nom complet|nom et prenom|contact name|customer name",
        "company": "company|company name|account name|organization|organisation|societe|entreprise|raison sociale|"
        "default address company|associated company|billing company|primary associated company",
        "account": "account id|accountid|company id|associated company ids|primary associated company id|id compte",
        "language": "language|preferred language|langue|locale|lang|language code|preferred locale|languageiso|"
        "langue preferee|hs language",
        "time_zone": "time zone|timezone|fuseau horaire|fuseau|tz|time zone sid key|timezonesidkey",
        "country": "country|country code|pays|code pays|default address country code|country region|mailing country|"
        "mailingcountry|billing country|cc|ip country",
        "address": "address|street|adresse|rue|default address address1|mailing street|mailingstreet|address 1|"
        "street address|billing address 1",
        "postal_code": "postal code|zip|zip code|code postal|cp|default address zip|mailing zip postal code|"
        "mailing postal code|mailingpostalcode|postcode",
        "city": "city|ville|default address city|mailing city|mailingcity|commune",
        "notes": "notes|note|comments|commentaire|commentaires|remarques|description",
        "attributes": "attributes|custom attributes|attributs",
        "created_at": "created at|create date|created date|createddate|created|date added|profile created on|"
        "added time|"
        "sign up|signup date|registered|date registered|user registered|date de creation|date creation|cree le|"
        "date d inscription|date inscription|added|first seen|last changed",
        "consent": "consent|email consent|email marketing consent|accepts email marketing|accepts marketing|"
        "consent email|newsletter|opt in|optin|email opt in|marketing opt in|subscribed|email marketing status|"
        "marketing contact status|abonne|inscrit newsletter|consentement|consentement email|"
        "accepte les e mails marketing|email permission status|email marketing|email status",
        "consent_at": "consent at|consent date|optin time|opt in date|optin date|email marketing consent timestamp|"
        "consent timestamp|subscribed at|date opt in|date optin|date de consentement|date consentement|"
        "email consent timestamp|opt in time|subscribe date",
        "consent_source": "consent source|optin source|opt in source|consent method|source du consentement|source",
        "consent_proof": "consent proof|proof|proof of consent|preuve|preuve de consentement|"
        "legal basis for processing "
        "contact s data",
        "consent_wording": "consent wording|consent text|wording|texte du consentement",
        **_PROOF,
        "opted_out": "unsubscribed from all email|email opt out|hasoptedoutofemail|opted out of email|"
        "email opt out flag|"
        "blacklisted|email blacklisted|blocklisted|email blocklisted|desinscrit|desabonne|opt out|optout|"
        "unsubscribed",
    },
    "consents": {
        **_KNOWN_PERSON,
        "channel": "channel|canal",
        "purpose": "purpose|finalite|objet|usage",
        "state": "state|status|consent|consent state|etat|statut|consentement|opt in|optin",
        "at": "at|date|consent date|consent at|changed at|timestamp|time|horodatage|date de consentement|"
        "date consentement|le",
        "source": "source|origin|origine|form|formulaire|method|consent source",
        "proof": "proof|consent proof|proof of consent|evidence|preuve|preuve de consentement",
        "wording": "wording|consent text|text|texte|libelle|texte du consentement",
        **_PROOF,
    },
    "suppressions": {
        **_KNOWN_PERSON,
        "email": _PERSON["email"] + "|address|adresse",
        "channel": "channel|canal",
        "reason": "reason|motif|raison|unsub reason|suppression reason|type|cause",
        "at": "at|date|unsub time|clean time|suppressed at|unsubscribed at|timestamp|suppression date|date de "
        "desinscription|date desinscription|added|le",
        "source": "source|origine|unsub campaign title|clean campaign title|campaign",
    },
    "orders": {
        **_PERSON,
        "order_id": "order id|order number|order|name|number|order name|order no|numero de commande|n commande|"
        "numero commande|commande|id commande|reference commande|order reference|ref commande|basket id|id",
        "at": "ordered at|order date|created at|date|at|purchased at|purchase date|date de commande|date commande|"
        "date created|paid at|date achat|le|order time",
        "total": "total|order total|order total amount|total amount|grand total|total price|net revenue|n revenue|"
        "montant total|total ttc|montant ttc|total commande|n revenue formatted",
        "discount": "discount|discount amount|order discount|cart discount amount|cart discount|total discount|"
        "discount total|"
        "remise|montant remise|reduction",
        "currency": "currency|order currency|devise|monnaie|currencyisocode",
        "status": "status|order status|statut|etat|statut de la commande|etat de la commande",
        "payment": "financial status|payment status|statut du paiement",
        "cancelled_at": "cancelled at|canceled at|annulee le|date d annulation",
        **_ITEM,
    },
    "lines": {
        **_PERSON,
        "order_id": "order id|order number|order|order name|numero de commande|n commande|numero commande|commande|"
        "id commande|reference commande|basket id",
        "at": "ordered at|order date|date|at|created at|date de commande|date commande",
        "currency": "currency|devise|monnaie",
        **_ITEM,
        "line_discount": _ITEM["line_discount"] + "|discount|remise|discount amount",
    },
    "products": {
        "product_id": "product id|variant sku|sku|id|handle|reference|ref|id produit|code produit|code article|"
        "article|item id",
        "handle": "handle|parent",
        "name": "name|title|product name|nom|nom du produit|titre|libelle|designation|produit",
        "category": "category|product category|type|categories|categorie|famille|product type",
        "department": "department|rayon|departement|collection|univers",
        "brand": "brand|vendor|marque|manufacturer|fabricant|brands",
        "price": "price|variant price|regular price|prix|prix de vente|prix ttc|list price|unit price",
        "cost": "cost|cost per item|cost price|unit cost|prix d achat|cout|prix de revient|cout unitaire|cost of goods",
        "url": "url|link|permalink|product url|lien|page",
        "image_url": "image url|image src|images|image|image link|photo|variant image",
        "stock": "stock|stock quantity|variant inventory qty|inventory quantity|quantity in stock|available quantity|"
        "quantite en stock|quantite disponible|stock disponible",
    },
    "sends": {
        **_KNOWN_PERSON,
        "message_key": "message key|message id|send id|messageid|mid|id|id envoi|id message",
        "campaign": "campaign|campaign name|campaign title|campagne|subject|sub|objet|nom de la campagne|"
        "campaign id|tag",
        "channel": "channel|canal|message type",
        "at": "sent at|send time|sent|at|date|ts|timestamp|date d envoi|envoye le|date envoi|time|event time",
        "event": "event|event type|st text|status|evenement|statut|activity|action",
        "delivered": "delivered|livre|delivre",
        "delivered_at": "delivered at|delivery time|livre le|delivre le",
        "bounced_at": "bounced at|bounce time|rebond le",
        "bounce": "bounce|bounced|bounce type|type de rebond",
        "opened_at": "opened at|open time|first open|ouvert le",
        "clicked_at": "clicked at|click time|first click|clique le",
        "replied_at": "replied at|reply time|repondu le",
        "unsubscribed_at": "unsubscribed at|unsubscribe time|unsub time|desinscrit le",
        "complained_at": "complained at|complaint time|spam at|plainte le",
        "human": "human|is human|humain",
    },
    "events": {
        **_PERSON,
        "event_id": "event id|id|uuid|message id|id evenement",
        "kind": "kind|event|event type|event name|metric|evenement|type|action|type d evenement",
        "at": "at|timestamp|date|time|event time|occurred at|datetime|created at|horodatage|le",
        "category": "category|categorie|product category|rayon",
        "product_id": "product id|sku|item id|reference|id produit|code produit",
        "value": "value|amount|valeur|montant|revenue",
        "human": "human|is human|humain",
        "properties": "properties|event properties|proprietes|details",
    },
    "deals": {
        **_KNOWN_PERSON,
        "deal_id": "deal id|record id|opportunity id|record id deal|id|id opportunite|id transaction",
        "account": "account id|accountid|company id|associated company ids|id compte|associated company id",
        "company": "account name|company|company name|associated company|societe|entreprise",
        "name": "deal name|opportunity name|name|nom|nom de l opportunite|nom de la transaction",
        "stage": "deal stage|stage|stage name|stagename|etape|phase|etape de vente",
        "amount": "amount|deal amount|montant|amount in company currency",
        "currency": "currency|currencyisocode|deal currency code|devise",
        "opened_at": "created at|create date|created date|createddate|opened at|date de creation|cree le",
        "closed_at": "closed at|close date|closedate|date de cloture|date de fermeture",
        "won": "won|is won|iswon|is closed won|gagne|gagnee",
        "closed": "closed|is closed|isclosed|is deal closed|cloture|cloturee",
    },
    "offers": {
        "offer_id": "offer id|id|offre|id offre|offer",
        "kind": "kind|type|nature",
        "percent": "percent|pourcentage|percentage",
        "value": "value|valeur|amount|montant",
        "currency": "currency|devise",
        "code": "code|coupon|coupon code|code promo|promo code|discount code",
        "label_en": "label en|label|text en|description|en",
        "label_fr": "label fr|libelle|libelle fr|texte fr|fr",
        "category": "category|categorie",
        "minimum_basket": "minimum basket|minimum|minimum spend|panier minimum|minimum d achat",
        "starts_at": "starts at|start|start date|debut|date de debut|valid from|du",
        "ends_at": "ends at|end|end date|fin|date de fin|valid until|expires at|au",
        "approved_by": "approved by|approuve par|valide par|owner",
    },
    "codes": {
        "offer_id": "offer id|offer|offre|id offre|price rule|promotion",
        "code": "code|coupon|coupon code|code promo|promo code|discount code|voucher|bon",
    },
    "facts": {
        "fact_id": "fact id|id|fact|fait|id fait",
        "language": "language|langue|lang|locale",
        "text": "text|texte|claim|fact text|libelle|phrase",
        "approved_by": "approved by|approuve par|valide par|owner",
        "valid_until": "valid until|valid to|expires at|valable jusqu au|fin|expire le",
    },
}

# Words in a file's name that say what it holds.
_FILE_WORDS: dict[Kind, str] = {
    "consents": "consent|consents|consentement|consentements|optin|optins",
    "suppressions": "suppression|suppressions|unsubscribed|unsubscribes|cleaned|blocklist|blacklist|suppressed|"
    "desinscrits|desabonnes|exclusions",
    "lines": "lines|lignes|orderlines|items|lineitems",
    "orders": "order|orders|commande|commandes|sales|ventes|achats|transactions|baskets",
    "sends": "sends|sent|envois|messages|mailings|campaigns|logs|recipients",
    "events": "event|events|evenements|activity|activities|visits|clicks|metrics",
    "products": "product|products|produits|catalog|catalogue|articles",
    "deals": "deal|deals|opportunities|opportunity|opportunites|affaires",
    "codes": "codes|vouchers",
    "offers": "offer|offers|offres|coupons|promotions",
    "facts": "fact|facts|faits|claims",
    "contacts": "contact|contacts|customers|clients|people|profiles|subscribers|subscribed|audience|leads|"
    "members|abonnes",
}


@dataclass(frozen=True, slots=True)
class Signature:
    """The columns by which an export of a vendor is known."""

    vendor: str
    kind: Kind
    columns: frozenset[str]
    constants: dict[str, str] = field(default_factory=dict)
    """What the file means without saying it, for example that everybody in it unsubscribed."""
    prefer: dict[str, str] = field(default_factory=dict)
    """Columns whose meaning here differs from the plain one: {column: field}; an empty field is not read."""


def _signature(
    vendor: str, kind: Kind, columns: str, constants: dict[str, str] | None = None, prefer: dict[str, str] | None = None
) -> Signature:
    return Signature(vendor, kind, frozenset(columns.split("|")), constants or {}, prefer or {})


# The first whose columns are all there wins; hence the most particular of a vendor first.
SIGNATURES: Sequence[Signature] = (
    _signature(
        "shopify",
        "orders",
        "name|lineitem name|lineitem price|lineitem quantity",
        prefer={
            "id": "",
            "number": "",
            "paid at": "",
            "tags": "",
            "source": "",
            "vendor": "",
            "device id": "",
            "location": "",
            "status": "",
            "lineitem discount": "line_discount",
            "name": "order_id",
            "created at": "at",
        },
    ),
    _signature(
        "shopify",
        "contacts",
        "email|accepts email marketing|total orders",
        prefer={"tags": "", "total spent": ""},
    ),
    _signature("shopify", "contacts", "email|accepts marketing|total orders"),
    _signature("shopify", "contacts", "email|accepts email marketing|default address country code"),
    _signature(
        "shopify",
        "products",
        "handle|title|variant price",
        prefer={
            "handle": "handle",
            "variant sku": "product_id",
            "type": "product_type",
            "product category": "category",
            "vendor": "brand",
            "url": "",
        },
    ),
    _signature(
        "woocommerce",
        "orders",
        "order number|order status|order date|order total amount",
        prefer={
            "item": "position",
            "item cost": "unit_price",
            "discount amount": "",
            "cart discount amount": "discount",
            "order number": "order_id",
            "email billing": "email",
            "customer user id": "contact",
        },
    ),
    _signature(
        "woocommerce",
        "orders",
        "order id|order number|order date|order total|billing email",
        prefer={"order number": "order_id", "order id": "", "line item 1": "", "total": ""},
    ),
    _signature(
        "woocommerce", "contacts", "username|last active|total spend|aov", prefer={"orders": "", "last active": ""}
    ),
    _signature(
        "woocommerce",
        "products",
        "id|type|sku|regular price|categories",
        prefer={"type": "", "sku": "product_id", "id": "", "brands": "brand", "parent": "", "tags": ""},
    ),
    _signature(
        "hubspot",
        "deals",
        "deal name|deal stage|close date",
        prefer={"record id": "deal_id", "record id deal": "deal_id", "associated contact ids": "contact"},
    ),
    _signature("hubspot", "contacts", "record id|email|lifecycle stage"),
    _signature("hubspot", "contacts", "record id|email|lead status"),
    _signature("hubspot", "contacts", "record id|email|contact owner"),
    _signature("hubspot", "contacts", "record id|email|create date"),
    _signature("hubspot", "contacts", "record id contact|email"),
    _signature(
        "salesforce",
        "deals",
        "stagename|closedate|name",
        prefer={"id": "deal_id", "accountid": "account", "contactid": "contact"},
    ),
    _signature("salesforce", "deals", "opportunity name|stage|close date"),
    _signature(
        "salesforce",
        "contacts",
        "id|lastname|email|accountid",
        prefer={"id": "contact", "name": "", "contactid": "", "description": ""},
    ),
    _signature("salesforce", "contacts", "contact id|last name|email|account name", prefer={"title": ""}),
    _signature("salesforce", "contacts", "lead id|last name|email|company", prefer={"lead id": "contact"}),
    _signature(
        "klaviyo",
        "contacts",
        "email|klaviyo id",
        prefer={"klaviyo id": "contact", "source": "consent_source", "external id": "", "region": ""},
    ),
    _signature(
        "mailchimp",
        "suppressions",
        "email address|unsub time",
        {"reason": "unsubscribed"},
        {"unsub reason": "", "unsub time": "at", "euid": "contact", "leid": ""},
    ),
    _signature(
        "mailchimp",
        "suppressions",
        "email address|clean time",
        {"reason": "hard_bounce"},
        {"clean time": "at", "euid": "contact", "leid": ""},
    ),
    _signature(
        "mailchimp",
        "contacts",
        "email address|optin time",
        {"consent": "subscribed"},
        {"euid": "contact", "leid": "", "last changed": "", "region": "", "company": "company"},
    ),
    _signature("brevo", "sends", "st text|ts|sub", prefer={"sub": "campaign", "frm": "", "tag": "", "link": ""}),
    _signature("brevo", "sends", "status|date|subject|from|to", prefer={"from": "", "to": "email"}),
    _signature("brevo", "contacts", "email|added time", prefer={"modified time": "", "contact id": "contact"}),
    _signature("brevo", "contacts", "contact id|email|sms", prefer={"modified time": "", "contact id": "contact"}),
)


def plain(name: str) -> str:
    """A column's name without case, accents and punctuation: "Prénom :" is prenom."""
    bare = unicodedata.normalize("NFKD", name.casefold())
    bare = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return " ".join(re.findall(r"[a-z0-9]+", bare))


def kinds_by_file_name(name: str) -> list[Kind]:
    """Kinds that the words of a file's name speak of, the most particular first."""
    words = set(plain(name.rsplit(".", 1)[0]).split())
    return [kind for kind, known in _FILE_WORDS.items() if words & set(known.split("|"))]


def fields_of(kind: Kind) -> dict[str, tuple[str, int]]:
    """Per plain column name of a kind: the field it means and how preferred that name is (0 first)."""
    found: dict[str, tuple[str, int]] = {}
    for name, columns in FIELDS[kind].items():
        for rank, column in enumerate(columns.split("|")):
            found.setdefault(column, (name, rank))
    return found


assert set(FIELDS) == set(KINDS)
