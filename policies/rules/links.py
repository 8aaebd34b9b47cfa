"""Links and pictures lead to the brand's own domains, over https, without telling who the reader is."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from memory.bindings import BINDINGS, PLACEHOLDER
from memory.brand import Brand
from policies.facts import ProposalFacts
from policies.rule import Context, Parameters, Rule, Ruling, refuse

_ATTRIBUTE: Final = re.compile(
    r"""\b(?:href|src|background-url|action|srcset|poster)\s*=\s*(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE
)
_BARE: Final = re.compile(r"""(?:https?:)?//[^\s"'<>)]+|url\(\s*['"]?([^'")]+)""", re.IGNORECASE)
# A value of the contact's own, a parameter that is named for one, or an address itself (@ may be written %40).
_PERSONAL: Final = re.compile(
    r"\{\{-?\s*(?:contact|answers|last_order)\."
    r"|[?&;#](?:e[-_]?mail|mail|first[-_]?name|last[-_]?name|phone|tel|nom|prenom|user[-_]?(?:name|mail))="
    r"|[?#][^#]*[\w.+-](?:@|%40)[\w-]+\.",
    re.IGNORECASE,
)
_ONE_BINDING: Final = re.compile(rf"\s*{PLACEHOLDER.pattern}\s*")


class LinkLimits(Parameters):
    """Domains besides the brand's own."""

    extra_domains: tuple[str, ...] = ()
    """Also allowed in templates, for example a host of fonts."""
    shorteners: tuple[str, ...] = ("bit.ly", "t.co", "tinyurl.com", "goo.gl", "ow.ly", "buff.ly", "is.gd", "rebrand.ly")
    """Never allowed, whoever lists them."""


def review(facts: ProposalFacts, limits: LinkLimits, context: Context) -> list[Ruling]:
    play = facts.play
    allowed = allowed_domains(play.brand) | set(limits.extra_domains)
    said = []
    buttons = [(sequence, step, link) for sequence, step in play.sends() for link in step.links]
    for sequence, step, link in buttons:
        match = _ONE_BINDING.fullmatch(link)
        binding = BINDINGS.get(match["name"]) if match else None
        if binding is None or binding.kind != "link" or binding.name == "links.unsubscribe" or not binding.in_copy:
            said.append(
                refuse(
                    f"A button of {sequence.key}/{step.key} does not lead to a link on record.",
                    fact=link,
                    limit="a binding such as {{ links.shop }}",
                    part="copy",
                )
            )
    for name in play.layouts():
        for url in links_in(play.templates[name]):
            problem = link_problem(url, allowed, frozenset(limits.shorteners))
            if problem:
                said.append(
                    refuse(
                        f"Template {name} holds a link that {problem}.",
                        fact=url[:120],
                        limit=", ".join(sorted(allowed)),
                        part="copy",
                    )
                )
    return said


def allowed_domains(brand: Brand) -> set[str]:
    """The hosts that a brand's links may lead to; their subdomains are included."""
    hosts = {urlsplit(brand.website).hostname or "", *(domain.lower() for domain in brand.link_domains)}
    if brand.logo_url:
        hosts.add(urlsplit(brand.logo_url).hostname or "")
    return {host.removeprefix("www.") for host in hosts if host}


def links_in(source: str) -> list[str]:
    """Every address in a template: attributes, styles and bare ones; a lone binding is none."""
    found = {a or b for a, b in _ATTRIBUTE.findall(source)}
    found |= {match[1] or match[0] for match in _BARE.finditer(source)}
    return sorted(url.strip() for url in found if url.strip() and not _ONE_BINDING.fullmatch(url))


def link_problem(url: str, allowed: set[str], shorteners: frozenset[str] = frozenset()) -> str:
    """What is wrong with an address; "" when nothing is."""
    if _PERSONAL.search(url):
        return "tells who the reader is"
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").removesuffix(".")
        odd = bool(parts.username or parts.password) or parts.port not in (None, 443)
    except ValueError:
        return "cannot be read"
    if url.startswith("#"):
        return ""
    if parts.scheme != "https":
        return "is not https"
    if odd or "\\" in url or "{" in host or not host.isascii() or "xn--" in host:
        return "disguises where it leads"
    if any(within(host, domain) for domain in shorteners):
        return "hides its target behind a shortener"
    if not any(within(host, domain) for domain in allowed):
        return "leads to a domain that is not the brand's"
    return ""


def within(host: str, domain: str) -> bool:
    """Whether a host is a domain or below it."""
    return host == domain or host.endswith("." + domain)


RULE = Rule(id="links", parameters=LinkLimits, review=review, locked=True)
