"""What each rule allows and what it does not: the rows by which the rules are judged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from memory.finding import Verdict
from memory.play import Limits, Offer, Schedule
from memory.proposal import Audience
from memory.standing import OTHERS, Standing, State
from memory.steps import Copy, Listing, Sequence
from memory.trigger import EventTrigger
from policies.facts import NEVER, NO_ADDRESS, STOCK_UNKNOWN, OfferFacts
from tests import examples
from tests.policies.worlds import FACT, LETTER, NOW, OFFER, PARIS, approval, one_mail, sends

LIST: dict[str, Any] = {"channel": "audience", "reaches_contact": False}
ALLOW, HOLD, REFUSE = Verdict.ALLOW, Verdict.HOLD, Verdict.REFUSE


@dataclass(frozen=True)
class Row:
    """One thing spoilt (or not), and what the rule says to it."""

    rule: str
    verdict: Verdict
    title: str
    changes: dict[str, Any]


def one_text(*body: str) -> tuple[Sequence, ...]:
    return one_mail(channel="sms", template="", copies={"en": Copy(body=body)})


LISTED = one_mail(channel="audience", template="", copies={}, listing=Listing(audience="lapsed"))


def row(rule: str, verdict: Verdict, title: str, **changes: Any) -> Row:
    return Row(rule, verdict, title, changes)


def ago(days: float) -> Any:
    return NOW - timedelta(days=days)


def ahead(days: float) -> Any:
    return NOW + timedelta(days=days)


def local(day: int, hour: int, minute: int = 0, zone: ZoneInfo = PARIS) -> Any:
    return NOW.astimezone(zone).replace(day=day, hour=hour, minute=minute)


def audience(reachable: int) -> Audience:
    return Audience(selected=reachable + 20, reachable=reachable, holdout=0, treated=reachable)


def offer(**changes: Any) -> Offer:
    return OFFER.model_copy(update=changes)


def standing(state: State, domain: str = "mail.example") -> Standing:
    return Standing(sender="shop.example.com", domain=domain, state=state, reason="0.31% complaints", room=9)


def pool(left: int) -> dict[str, Any]:
    """A single-use offer with so many codes left."""
    own = offer(code="", single_use=True)
    return {"play_changes": {"offer": own}, "offers": (own,), "codes_left": {own.offer_id: left}}


def tiers(value: int) -> dict[str, Any]:
    """A play with another offer for baskets of 100."""
    larger = offer(offer_id="larger", value=value, labels={"en": "more off", "fr": "encore moins cher"})
    larger = larger.model_copy(update={"minimum_basket_cents": 10_000})
    play_changes = {"offer": OFFER, "tiers": (larger,)}
    return {"play_changes": play_changes, "offers": (OFFER, larger)}


def schedule(**changes: Any) -> Schedule:
    values: dict[str, Any] = {
        "starts_at": NOW,
        "send_from_hour": 9,
        "send_until_hour": 18,
        "fallback_zone": "Europe/Paris",
        **changes,
    }
    return Schedule(**values)


SENDER = str(examples.brand().sender_address)
SERVICE = one_mail(purpose="transactional")
SILENT = {"last_human_signal_at": ago(90), "sent_since_signal": 5}

MESSAGES = [
    row("switch", ALLOW, "sending goes on"),
    row("switch", HOLD, "somebody stopped all sending", switch_stopped=True),
    row("approval", ALLOW, "approved, unchanged, in date, under this policy"),
    row("approval", REFUSE, "nobody was asked", approval=None),
    row("approval", REFUSE, "too few people said yes", approval=approval(approved=False)),
    row("approval", REFUSE, "revoked", approval=approval(revoked=True)),
    row("approval", REFUSE, "drifted", approval=approval(digest_found="b" * 64)),
    row("approval", REFUSE, "an empty digest approves nothing", approval=approval(digest_expected="", digest_found="")),
    row("approval", REFUSE, "expires this very moment", approval=approval(expires_at=NOW)),
    row("approval", ALLOW, "expires in a moment", approval=approval(expires_at=NOW + timedelta(microseconds=1))),
    row("approval", HOLD, "approved under another policy", approval=approval(policy_version="base@000000000000")),
    row("deadline", ALLOW, "a moment before the deadline", deadline_at=NOW + timedelta(microseconds=1)),
    row("deadline", REFUSE, "at the deadline", deadline_at=NOW),
    row("suppression", ALLOW, "on no list"),
    row("suppression", REFUSE, "unsubscribed", suppressed_reason="unsubscribed"),
    row("suppression", REFUSE, "erased", contact_erased=True),
    row("consent", ALLOW, "granted with proof"),
    row("consent", REFUSE, "granted without proof", consent_has_proof=False),
    row("consent", REFUSE, "withdrawn", consent_state="withdrawn"),
    row("consent", REFUSE, "never asked", consent_state="", consent_has_proof=False),
    row("consent", ALLOW, "never confirmed, and nobody asks", consent_confirmed=False),
    row("data_age", ALLOW, "heard of three years ago", last_heard_at=ago(1095)),
    row("data_age", REFUSE, "a moment longer ago", last_heard_at=ago(1095.001)),
    row("data_age", REFUSE, "never heard of", last_heard_at=NEVER),
    row("data_age", ALLOW, "a service", last_heard_at=NEVER, purpose="transactional"),
    row("data_age", ALLOW, "off an audience", **LIST, needs_no_leave=True, last_heard_at=NEVER),
    row("language", ALLOW, "in another language, which is the brand's", language_matches=False),
    row("preferences", ALLOW, "a topic, and no choice made", topic="news"),
    row("preferences", ALLOW, "a topic that was picked", topic="news", topics_wanted=("offers", "news")),
    row("preferences", REFUSE, "a topic that was not picked", topic="news", topics_wanted=("offers",)),
    row("preferences", REFUSE, "no topic at all was picked", topic="news", topics_wanted=()),
    row("preferences", ALLOW, "a general message to who picked topics", topics_wanted=("offers",)),
    row("preferences", ALLOW, "no marketing", purpose="transactional", paused_until=ahead(1)),
    row("preferences", HOLD, "paused for another day", paused_until=ahead(1)),
    row("preferences", ALLOW, "the pause ends this moment", paused_until=NOW),
    row("preferences", HOLD, "one a week, and one six days ago", at_most_days=7, last_sent_at=ago(6.99)),
    row("preferences", ALLOW, "one a week, and one a week ago", at_most_days=7, last_sent_at=ago(7)),
    row("preferences", ALLOW, "one a month, and none so far", at_most_days=30),
    row("preferences", ALLOW, "as it comes, and one this moment", last_sent_at=NOW),
    row("hibernation", ALLOW, "a sign of life ten days ago"),
    row("hibernation", REFUSE, "silent for 90 days and 5 messages", **SILENT),
    row("hibernation", ALLOW, "silent for a moment less", **{**SILENT, "last_human_signal_at": ago(89.999)}),
    row("hibernation", ALLOW, "silent, but only 4 messages went out", **{**SILENT, "sent_since_signal": 4}),
    row("hibernation", REFUSE, "no sign ever", **{**SILENT, "last_human_signal_at": NEVER}),
    row("hibernation", ALLOW, "unknown is not inactive", **{**SILENT, "tracking_known": False}),
    row("hibernation", ALLOW, "first exempt message", **SILENT, hibernation_exempt=True, exempt_sent_in_lapse=0),
    row("hibernation", ALLOW, "second exempt message", **SILENT, hibernation_exempt=True, exempt_sent_in_lapse=1),
    row("hibernation", REFUSE, "third exempt message", **SILENT, hibernation_exempt=True, exempt_sent_in_lapse=2),
    row("stock", ALLOW, "one is left", product_stock_units=1),
    row("stock", HOLD, "none is left", product_stock_units=0),
    row("stock", ALLOW, "nothing is known of the stock", product_stock_units=STOCK_UNKNOWN),
    row("stock", ALLOW, "a service on what is sold out", product_stock_units=0, purpose="transactional"),
    row("stock", ALLOW, "off an audience", **LIST, needs_no_leave=True, product_stock_units=0),
    row("not_for", ALLOW, "no segment is left alone", in_barred_segment=True),
    row("recent_purchase", ALLOW, "bought 14 days ago", last_purchase_at=ago(14)),
    row("recent_purchase", REFUSE, "bought 13 days ago", last_purchase_at=ago(13.99)),
    row("recent_purchase", ALLOW, "the play sets no limit", last_purchase_at=ago(1), recent_purchase_days=0),
    row("frequency", ALLOW, "two messages this week", sent_in_window=2),
    row("frequency", HOLD, "three messages this week", sent_in_window=3),
    row("frequency", ALLOW, "a service is outside the cap", sent_in_window=3, purpose="transactional"),
    row("hibernation", ALLOW, "a service reaches the silent too", **SILENT, purpose="transactional"),
    row(
        "recent_purchase",
        ALLOW,
        "a service after a purchase",
        last_purchase_at=NOW,
        recent_purchase_days=30,
        purpose="transactional",
    ),
    row("send_window", ALLOW, "a service at night", local_now=local(3, 3), purpose="transactional"),
    row(
        "holdout",
        ALLOW,
        "a service to who is outside all marketing",
        in_programme_holdout=True,
        purpose="transactional",
    ),
    row("holdout", REFUSE, "a service to the campaign's own holdout", in_holdout=True, purpose="transactional"),
    row("pressure", ALLOW, "nothing worth more is due"),
    row("pressure", ALLOW, "room for both", room_left=2, rivals=(ahead(0.5),)),
    row("pressure", HOLD, "the last room goes to what is worth more", room_left=1, rivals=(ahead(0.5),)),
    row("pressure", HOLD, "the rival is due in a day", room_left=1, rivals=(ahead(1),)),
    row("pressure", ALLOW, "the rival is due a moment later", room_left=1, rivals=(ahead(1.00001),)),
    row("pressure", HOLD, "two rivals for two rooms", room_left=2, rivals=(NOW, ahead(0.5))),
    row("pressure", ALLOW, "the rival is days away", room_left=1, rivals=(ahead(2),)),
    row("pressure", ALLOW, "a service competes with nobody", room_left=1, rivals=(NOW,), purpose="transactional"),
    row("send_window", ALLOW, "Monday at 10"),
    row("send_window", ALLOW, "as the window opens", local_now=local(3, 9)),
    row("send_window", HOLD, "a minute before it opens", local_now=local(3, 8, 59)),
    row("send_window", HOLD, "as the window closes", local_now=local(3, 18)),
    row("send_window", HOLD, "on a Saturday", local_now=local(8, 10)),
    row("send_window", HOLD, "the policy closes at 21", local_now=local(3, 21), send_until_hour=24),
    row("send_window", HOLD, "the policy opens at 8", local_now=local(3, 7), send_from_hour=0),
    row("send_window", ALLOW, "unknown zone, declared fallback", zone_known=False),
    row("send_window", ALLOW, "a text message on Saturday", channel="sms", local_now=local(8, 10), weekdays=(5,)),
    row("send_window", HOLD, "a text message on Sunday", channel="sms", local_now=local(9, 10), weekdays=(6,)),
    row("send_window", HOLD, "a text message at 20", channel="sms", local_now=local(3, 20), send_until_hour=21),
    row("send_window", ALLOW, "an audience at night", **LIST, local_now=local(3, 3)),
    row("frequency", ALLOW, "an audience is no message", **LIST, sent_in_window=9),
    row("hibernation", ALLOW, "sleepers on a list", **LIST, sent_since_signal=9, last_human_signal_at=ago(99)),
    row("consent", REFUSE, "onto an audience without consent", **LIST, consent_state=""),
    row("consent", ALLOW, "off an audience without consent", **LIST, needs_no_leave=True, consent_state="withdrawn"),
    row("suppression", ALLOW, "suppressed, off a list", **LIST, needs_no_leave=True, suppressed_reason="manual"),
    row("suppression", REFUSE, "off an audience, erased", **LIST, needs_no_leave=True, contact_erased=True),
    row("suppression", REFUSE, "no address", suppressed_reason=NO_ADDRESS),
    row("recent_purchase", ALLOW, "buyers leave an audience", **LIST, needs_no_leave=True, last_purchase_at=ago(1)),
    row("recent_purchase", REFUSE, "buyers join no audience", **LIST, last_purchase_at=ago(1)),
    row("send_window", HOLD, "no common hour", send_from_hour=22, send_until_hour=23),
    row("reputation", ALLOW, "never in trouble"),
    row("reputation", ALLOW, "slowed, and it has its turn", standing=standing("slowed")),
    row("reputation", HOLD, "the domain is stopped", standing=standing("stopped")),
    row("reputation", HOLD, "stopped for services too", standing=standing("stopped"), purpose="transactional"),
    row("holdout", ALLOW, "not held out"),
    row("holdout", REFUSE, "held out of the campaign", in_holdout=True),
    row("holdout", REFUSE, "held out of everything", in_programme_holdout=True),
    row("offer", ALLOW, "no offer at all"),
    row("offer", ALLOW, "as on record", offer=OfferFacts(planned=OFFER, recorded=offer())),
    row("offer", HOLD, "no code left", offer=OfferFacts(planned=OFFER, recorded=offer(), pool_empty=True)),
    row("offer", REFUSE, "no longer on the list", offer=OfferFacts(planned=OFFER, recorded=None)),
    row("offer", REFUSE, "changed", offer=OfferFacts(planned=OFFER, recorded=offer(value=1500))),
    row(
        "offer",
        REFUSE,
        "ended this moment",
        offer=OfferFacts(planned=offer(ends_at=NOW), recorded=offer(ends_at=NOW)),
    ),
    row(
        "offer",
        HOLD,
        "begins tomorrow",
        offer=OfferFacts(planned=offer(starts_at=ahead(1)), recorded=offer(starts_at=ahead(1))),
    ),
    row("bindings", ALLOW, "every value is on record"),
    row("bindings", HOLD, "the product has no name", bindings_missing=("product.name",)),
    row("identity", ALLOW, "sender, address and way out"),
    row("identity", REFUSE, "no postal address", postal_address=""),
    row("identity", REFUSE, "no sender", sender_address=""),
    row("identity", REFUSE, "no way out", unsubscribe_url=""),
    row("identity", HOLD, "in the name of the example", example_parts=("name",)),
]

NEWS = {"id": "news", "name": {"en": "News", "fr": "Nouveautés"}}

PROPOSALS = [
    row("not_for", ALLOW, "no segment is left alone"),
    row("preferences", ALLOW, "no topic"),
    row(
        "preferences",
        ALLOW,
        "a topic of the brand",
        play_changes={"topic": "news", "brand": examples.brand(topics=[NEWS])},
    ),
    row("preferences", REFUSE, "a topic that nobody can choose", play_changes={"topic": "news"}),
    row("deadline", ALLOW, "messages wait a week"),
    row("deadline", REFUSE, "messages wait 15 days", play_changes={"schedule": schedule(deadline_days=15)}),
    row("transactional", ALLOW, "a play that sends marketing only"),
    row("transactional", ALLOW, "a double opt-in", play_changes={"playbook": "double_opt_in", "sequences": SERVICE}),
    row("transactional", REFUSE, "a win-back that calls itself a service", play_changes={"sequences": SERVICE}),
    row(
        "transactional",
        REFUSE,
        "a service with an offer",
        play_changes={"playbook": "double_opt_in", "sequences": SERVICE, "offer": OFFER},
        offers=(OFFER,),
    ),
    row(
        "transactional",
        REFUSE,
        "a service that shows a product",
        play_changes={
            "playbook": "double_opt_in",
            "sequences": one_mail(
                purpose="transactional", copies={"en": examples.copy("en", body=("See {{ product.name }}.",))}
            ),
        },
    ),
    row("frequency", ALLOW, "three messages in a week", play_changes={"sequences": sends(3)}),
    row("frequency", ALLOW, "four messages, two days apart", play_changes={"sequences": sends(4, 3)}),
    row("frequency", REFUSE, "four messages in a week", play_changes={"sequences": sends(4)}),
    row(
        "hibernation",
        ALLOW,
        "a win-back with two messages",
        play_changes={"limits": Limits(hibernation_exempt=True), "sequences": sends(2)},
    ),
    row(
        "hibernation",
        REFUSE,
        "a win-back with three messages",
        play_changes={"limits": Limits(hibernation_exempt=True), "sequences": sends(3)},
    ),
    row(
        "hibernation",
        REFUSE,
        "a cross-sell that claims the exemption",
        play_changes={"limits": Limits(hibernation_exempt=True), "playbook": "cross_sell"},
    ),
    row("send_window", ALLOW, "nine to six"),
    row("send_window", REFUSE, "until eleven at night", play_changes={"schedule": schedule(send_until_hour=23)}),
    row("send_window", REFUSE, "from six", play_changes={"schedule": schedule(send_from_hour=6)}),
    row("send_window", REFUSE, "on no day", play_changes={"schedule": schedule(weekdays=())}),
    row("send_window", REFUSE, "no fallback zone", play_changes={"schedule": schedule(fallback_zone="")}),
    row("one_sender", ALLOW, "the address that other campaigns use"),
    row("one_sender", ALLOW, "nothing else runs", senders={}),
    row("one_sender", ALLOW, "written otherwise, and the same", senders={"marketing": (SENDER.upper(),)}),
    row("one_sender", ALLOW, "services have an address of their own", senders={"transactional": ("a@b.example",)}),
    row("one_sender", HOLD, "running campaigns use another", senders={"marketing": (SENDER, "a@b.example")}),
    row(
        "one_sender",
        ALLOW,
        "a text message comes from no address",
        senders={"marketing": ("a@b.example",)},
        play_changes={"sequences": one_text("New prices. STOP")},
    ),
    row("spend", ALLOW, "ten thousand", cost_cents=1_000_000),
    row("spend", REFUSE, "a cent more", cost_cents=1_000_001),
    row("spam_score", ALLOW, "nothing scores them"),
    row("spam_score", ALLOW, "below five", spam_score=4.9),
    row("reuse", ALLOW, "new words"),
    row("reuse", ALLOW, "words of two weeks ago", words_last_sent={"one/mail (en)": ago(14)}),
    row("reuse", HOLD, "words of a moment less", words_last_sent={"one/mail (en)": ago(13.999)}),
    row(
        "reuse",
        ALLOW,
        "an event says the same to each in turn",
        words_last_sent={"one/mail (en)": ago(1)},
        play_changes={"trigger": EventTrigger(event="cart"), "limits": Limits(contacts_per_day=10)},
    ),
    row("reputation", ALLOW, "a sender never in trouble"),
    row("reputation", ALLOW, "one domain is stopped, the others are not", standings=(standing("stopped"),)),
    row("reputation", HOLD, "the whole sender is stopped", standings=(standing("stopped", OTHERS),)),
    row("reputation", ALLOW, "slowed everywhere", standings=(standing("slowed", OTHERS),)),
    row(
        "reputation",
        ALLOW,
        "a stopped sender sends no text message",
        standings=(standing("stopped", OTHERS),),
        play_changes={"sequences": one_text("New prices. STOP")},
    ),
    row("holdout", ALLOW, "a tenth"),
    row("holdout", REFUSE, "nobody", play_changes={"holdout_share": 0.0}),
    row("holdout", REFUSE, "nearly everybody", play_changes={"holdout_share": 0.6}),
    row("offer", ALLOW, "an offer of the list", play_changes={"offer": OFFER}),
    row("offer", REFUSE, "an invented offer", play_changes={"offer": offer(offer_id="mine")}),
    row(
        "offer",
        REFUSE,
        "an offer that ends as the last message is due",
        play_changes={"offer": offer(ends_at=NOW)},
        offers=(offer(ends_at=NOW),),
    ),
    row(
        "offer",
        ALLOW,
        "an offer that ends a moment later",
        play_changes={"offer": offer(ends_at=ahead(0.001))},
        offers=(offer(ends_at=ahead(0.001)),),
    ),
    row("offer", REFUSE, "a sweetened offer", play_changes={"offer": offer(value=2000)}),
    row(
        "offer",
        REFUSE,
        "an offer that ends too soon",
        play_changes={"offer": offer(ends_at=ahead(3)), "sequences": sends(2, 5)},
        offers=(offer(ends_at=ahead(3)),),
    ),
    row(
        "offer",
        REFUSE,
        "an offer without French words",
        play_changes={"offer": offer(labels={"en": "10 % off"})},
        offers=(offer(labels={"en": "10 % off"}),),
    ),
    row("bindings", ALLOW, "known names only"),
    row(
        "bindings",
        REFUSE,
        "a template names a secret",
        play_changes={"templates": {"letter": LETTER + "{{ contact.notes }}"}},
    ),
    row(
        "bindings",
        REFUSE,
        "a template shows an offer that is not there",
        play_changes={"templates": {"letter": LETTER + "{{ offer.label }}"}},
    ),
    row("identity", ALLOW, "a brand's own sender"),
    row(
        "identity",
        REFUSE,
        "a free mail sender",
        play_changes={"brand": examples.brand(sender_address="shop@gmail.com")},
    ),
    row(
        "identity",
        REFUSE,
        "a template without a way out",
        play_changes={"templates": {"letter": LETTER.replace("links.unsubscribe", "links.shop")}},
    ),
    row(
        "identity",
        REFUSE,
        "a template without a postal address",
        play_changes={"templates": {"letter": LETTER.replace("brand.postal_address", "brand.name")}},
    ),
    row("subject", ALLOW, "a plain sender"),
    *(
        row("subject", REFUSE, f"the sender {name!r}", play_changes={"brand": examples.brand(sender_name=name)})
        for name in (
            "URGENT",
            "Last chance",
            "Maple ✓",
            "Maple (2)",
            "maple@gmail.com",
            "It has been a while",
            "Re: Maple",
            "Maple \N{EMOJI MODIFIER FITZPATRICK TYPE-3}",
            "Maple\N{ZERO WIDTH SPACE}",
        )
    ),
    row("links", ALLOW, "to the shop"),
    row(
        "links",
        ALLOW,
        "a website that begins with www",
        play_changes={
            "brand": examples.brand(website="https://www.shop.example.com", link_domains=[]),
            "templates": {"letter": f'{LETTER}<a href="https://news.shop.example.com/">'},
        },
    ),
    row(
        "links",
        ALLOW,
        "parameters that name a campaign",
        play_changes={"templates": {"letter": f'{LETTER}<a href="https://shop.example.com/?utm_source=mail&hotel=x">'}},
    ),
    row(
        "links",
        ALLOW,
        "a picture of the shop",
        play_changes={"templates": {"letter": LETTER + '<mj-image src="https://img.shop.example.com/a.png" />'}},
    ),
    *(
        row("links", REFUSE, f"the button {link!r}", play_changes={"sequences": one_mail(link=link)})
        for link in (
            "https://shop.example.com",
            "https://evil.example.net",
            "{{ links.unsubscribe }}",
            "{{ contact.first_name }}",
            "{{ links.shop }}?x={{ contact.first_name }}",
        )
    ),
    *(
        row(
            "links",
            REFUSE,
            f"a template with {link!r}",
            play_changes={"templates": {"letter": f'{LETTER}<a href="{link}">'}},
        )
        for link in (
            "https://evil.example.net/x",
            "https://shop.example.com.evil.net/",
            "https://shop.example.com@evil.net/",
            "https://evilshop.example.com.net/",
            "http://shop.example.com/",
            "//evil.example.net/x",
            "https://bit.ly/abc",
            "https://xn--shp-example-q0a.com/",
            "https://shop.example.com:8443/",
            "https://shop.example.com/?e={{ contact.first_name }}",
            "https://shop.example.com/?e={{ answers.size }}",
            "https://shop.example.com/?a=1&email=x",
            "https://shop.example.com/?First-Name=x",
            "https://shop.example.com/#phone=x",
            "https://shop.example.com/?u=ann@shop.example.com",
            "https://shop.example.com/?u=ann%40shop.example.com",
            "javascript:alert(1)",
            "data:text/html,x",
        )
    ),
    row("templates", ALLOW, "plain MJML"),
    *(
        row("templates", REFUSE, f"a template with {part!r}", play_changes={"templates": {"letter": LETTER + part}})
        for part in (
            "<script>",
            "<form action='x'>",
            "<iframe>",
            "<mj-include path='/etc/passwd' />",
            "<p onclick='x()'>",
            "<p style='display: none'>",
            "<p style='font-size:0'>",
            "<p style='opacity: 0.0'>",
        )
    ),
    row("accessibility", ALLOW, "plain MJML"),
    *(
        row("accessibility", ALLOW, f"a template with {part!r}", play_changes={"templates": {"letter": LETTER + part}})
        for part in (
            '<mj-image src="https://img.shop.example.com/a.png" alt="A jar" />',
            '<mj-image src="https://img.shop.example.com/line.png" alt="" />',
            "<h1>One</h1><h2>Two</h2><h3>Three</h3><h2>Two again</h2>",
            '<mj-text color="#595959">Hello</mj-text>',
            '<mj-text color="{{ brand.colours.text }}">Hello</mj-text>',
            '<mj-section background-color="#000"><mj-text color="white">Hello</mj-text></mj-section>',
            '<mj-section background-url="x"><mj-text color="white">Hello</mj-text></mj-section>',
            '<mj-text color="rgb(1, 2, 3)">Hello</mj-text>',
            "<div style='background-color: black'><p style='color: white'>Hello</p></div>",
            "<div style='background: #000'><p style='color: white'>Hello</p></div>",
        )
    ),
    *(
        row("accessibility", REFUSE, f"a template with {part!r}", play_changes={"templates": {"letter": LETTER + part}})
        for part in (
            '<mj-image src="https://img.shop.example.com/a.png" />',
            "<img src='https://img.shop.example.com/a.png'>",
            "<h2>Two first</h2>",
            "<h1>One</h1><h3>Three</h3>",
            '<mj-text color="#999">Hello</mj-text>',
            '<mj-text color="#ffffff">Hidden</mj-text>',
            "<p style='color: white'>Hidden</p>",
            "<div style='background: black'><p style='color: #222'>Hello</p></div>",
            "<p style='color: red; background-color: #808080'>Hello</p>",
            '<mj-section background-color="#000000"><mj-text color="#222222">Hello</mj-text></mj-section>',
            '<mj-button background-color="#ffee00" color="white">Buy</mj-button>',
            '<mj-text color="{{ brand.colours.surface }}">Hello</mj-text>',
        )
    ),
    row("message_size", ALLOW, "a hundred thousand bytes", html_bytes=100_000),
    row("message_size", REFUSE, "one more", html_bytes=100_001),
    row("message_size", HOLD, "nobody rendered it", html_bytes=None),
    row("offer", ALLOW, "a code for each", **pool(100), audience=audience(100)),
    row("offer", HOLD, "a code too few", **pool(99), audience=audience(100)),
    row("offer", HOLD, "no pool at all", **{**pool(1), "codes_left": {}}, audience=audience(100)),
    row("discount", ALLOW, "ten percent", play_changes={"offer": OFFER}),
    row("discount", REFUSE, "31 percent", play_changes={"offer": offer(value=3100)}),
    row("discount", ALLOW, "15 off a basket of 50", play_changes={"offer": offer(kind="amount", value=1500)}),
    row("discount", REFUSE, "16 off a basket of 50", play_changes={"offer": offer(kind="amount", value=1600)}),
    row(
        "discount",
        REFUSE,
        "15 off a basket of 20",
        play_changes={"offer": offer(kind="amount", value=1500, minimum_basket_cents=2000)},
    ),
    row("discount", ALLOW, "30 percent off a large basket", **tiers(3000)),
    row("discount", REFUSE, "31 percent off a large basket", **tiers(3100)),
    row("offer", ALLOW, "tiers as on record", **tiers(1500)),
    row("offer", REFUSE, "a tier that is not on record", **{**tiers(1500), "offers": (OFFER,)}),
    row("audience_size", ALLOW, "as many as stated"),
    row("audience_size", HOLD, "nobody", audience=audience(0)),
    row("audience_size", HOLD, "a handful", audience=audience(19), play_changes={"size_band": (1, 1000)}),
    row("audience_size", ALLOW, "just enough", audience=audience(20), play_changes={"size_band": (1, 1000)}),
    row("audience_size", REFUSE, "more than stated", audience=audience(1001)),
    row(
        "audience_size",
        REFUSE,
        "more than any campaign may reach",
        audience=audience(250_001),
        play_changes={"size_band": (1, 300_000)},
    ),
    row("consent_coverage", ALLOW, "a tenth consented", consent_coverage=0.1),
    row("consent_coverage", HOLD, "hardly anybody consented", consent_coverage=0.09),
    row("data_quality", ALLOW, "as good as required", quality={"consent_proof_share": 0.5}),
    row("data_quality", HOLD, "too poor", quality={"consent_proof_share": 0.49}),
    row("data_quality", HOLD, "not measured", quality={}),
    row("data_quality", HOLD, "measured as nonsense", quality={"consent_proof_share": float("nan")}),
    row("channel", ALLOW, "by e-mail"),
    row("channel", REFUSE, "no e-mail here", channels={"sms": None}),
    row("channel", REFUSE, "no channel at all", channels={}),
    row("channel", ALLOW, "a text message", play_changes={"sequences": one_text("Back in stock. STOP")}),
    row(
        "channel",
        REFUSE,
        "no text messages here",
        channels={"email": None},
        play_changes={"sequences": one_text("STOP")},
    ),
    row("channel", ALLOW, "a text of 160", channels={"sms": 160}, play_changes={"sequences": one_text("a" * 160)}),
    row("channel", REFUSE, "a text of 161", channels={"sms": 160}, play_changes={"sequences": one_text("a" * 161)}),
    row("channel", REFUSE, "no audiences here", channels={"email": None}, play_changes={"sequences": LISTED}),
    row("channel", ALLOW, "an audience", channels={"audience": None}, play_changes={"sequences": LISTED}),
    row("exits", ALLOW, "all exits"),
    row("exits", REFUSE, "no exit on withdrawal", play_changes={"exits": ("goal", "suppressed")}),
    row("start_date", ALLOW, "in half a year", play_changes={"schedule": schedule(starts_at=ahead(180))}),
    row("start_date", REFUSE, "a day later", play_changes={"schedule": schedule(starts_at=ahead(181))}),
    row("start_date", REFUSE, "in the next century", play_changes={"schedule": schedule(starts_at=ahead(36500))}),
    row("review_date", ALLOW, "after four weeks"),
    row("review_date", REFUSE, "after a year", play_changes={"review_days": 91}),
    row("review_date", REFUSE, "nobody answers for it", play_changes={"owner": " "}),
]


GIFT = offer(kind="gift", value=0, labels={"en": "a jar of honey", "fr": "un pot de miel"}, code="")
SHIPPING = offer(kind="free_shipping", value=0, labels={"en": "free delivery", "fr": "livraison offerte"}, code="")
POINTS = offer(kind="points", value=0, labels={"en": "100 bonus points", "fr": "100 points bonus"}, code="")


def said(rule: str, verdict: Verdict, *texts: str, **changes: Any) -> list[Row]:
    """One row per text, each of them a paragraph of its own."""
    return [row(rule, verdict, text, body=(text,), **changes) for text in texts]


COPIES = [
    *said(
        "bindings",
        ALLOW,
        'Hello {{ contact.first_name | default: "you" }}',
        "{% if contact.first_name %}Hello {{ contact.first_name }}{% else %}Hello{% endif %}",
        "See {{ product.name }} for {{ product.price }}",
    ),
    *said(
        "bindings",
        REFUSE,
        "Hello {{ contact.email }}",
        "Hello {{ contact.notes }}",
        "We are at {{ brand.postal_address }}",
        "Hello {{ contact.first_name | upcase }}",
        "Hello {{ contact.first_name",
        "{% for x in y %}{% endfor %}",
        "{% include 'x' %}",
        "{{ 7 | times: 7 }}",
        "Use {{ offer.code }}",
        'You like {{ answers.unasked | default: "it" }}',
        "{% if contact.first_name %}a{% endif %}{% if product.name %}b{% endif %}{% if product.price %}c{% endif %}"
        "{% if category.name %}d{% endif %}{% if last_order.date %}e{% endif %}",
    ),
    *said("bindings", ALLOW, "Use {{ offer.code }}", offer=OFFER),
    *said(
        "copy_facts",
        ALLOW,
        "Your favourites are still here.",
        "{{ product.name }} is {{ product.price }} today.",
        "You have 30 days to send it back.",
        "Maple & Finch says hello.",
        "Open from Monday on.",
    ),
    *said(
        "copy_facts", ALLOW, "Enjoy 10 % off your next basket with SPRING10.", "Enjoy 10% when you return.", offer=OFFER
    ),
    *said(
        "copy_facts",
        REFUSE,
        "Now 20 % cheaper.",
        "Only 9.99 €.",
        "Only 9,99€.",
        "Only $5.",
        "Save １０ percent.",
        "Save ² times.",
        "Save ٢٠ today.",
        "Rated ④ stars.",
        "Ships in 30 minutes.",
        "Ships in 30 euros.",
        "You have 31 days.",
        "Ten percent for you.",
        "Twenty-five euros for you.",
        "Dix pour cent pour vous.",
        "It ends on Sunday.",
        "Valable jusqu'au dimanche.",
        "Order before midnight.",
        "See https://evil.example.net now.",
        "See www.evil.net now.",
        "See evil.com now.",
        "See evil dot com now.",
        "See evil .com now.",
        "$$$ for you.",
        "Write to a@evil.net.",
        "Use SPRINGSALE at the till.",
        'Use the code "spring".',
        "Call 0800 123 456.",
        "It is 31/12/2025.",
        "{% if contact.first_name %}Only {% endif %}5 € {{ contact.first_name | default: 'x' }}",
        "Hello {{ contact.first_name | default: '50 €' }}",
    ),
    *said("copy_facts", REFUSE, "Enjoy 15 % off your next basket.", "Use SUMMER10.", "Valid for 10 days.", offer=OFFER),
    *said(
        "promises",
        ALLOW,
        "Feel free to reply.",
        "Deal with dinner in minutes.",
        "Il y a à boire et à manger.",
        "Gluten free bread is back.",
        "Returns are free for 30 days.",
        "Des idées cadeaux vous attendent.",
        "We are free to talk.",
    ),
    *said(
        "promises",
        REFUSE,
        "Everything at half price.",
        "A third off.",
        "Un tiers de moins.",
        "Money back.",
        "Satisfait ou remboursé.",
        "You have won.",
        "Vous avez gagné.",
        "It costs you nothing.",
        "It is on the house.",
        "Gracieusement vôtre.",
        "Tout à moitié prix.",
        "Two for one.",
        "Le deuxième offert.",
        "A free jar for you.",
        "Un pot gratuit.",
        "Livraison offerte.",
        "Free delivery.",
        "A discount for you.",
        "Une remise pour vous.",
        "Une REMISE pour vous.",
        "Profitez de nos promos.",
        "Use your voucher.",
        "{{ product.price }} off today.",
        "Save big.",
        "Faites des économies.",
        "Bonus points for you.",
        "Our summer sale.",
        "Free returns.",
        "{% if contact.first_name %}fr{% else %}x{% endif %}ee honey",
        "{% if contact.first_name %}Hello{% else %}A free jar{% endif %} for you.",
    ),
    *said("promises", ALLOW, "A discount for you.", "Une remise pour vous.", offer=OFFER),
    *said("promises", REFUSE, "Half price for you.", "A free jar.", "Free delivery.", offer=OFFER),
    *said("promises", ALLOW, "A free jar for you.", "Un petit pot offert.", offer=GIFT),
    *said("promises", REFUSE, "A discount for you.", "Free delivery.", offer=GIFT),
    *said("promises", ALLOW, "Free delivery for you.", "La livraison est offerte.", offer=SHIPPING),
    *said("promises", REFUSE, "A free jar.", offer=SHIPPING),
    *said("promises", ALLOW, "Take your bonus points.", offer=POINTS),
    row("promises", REFUSE, "Les soldes", language="fr", body=("Les soldes sont là.",)),
    *said("claims", ALLOW, "Best wishes from all of us.", "Your coffee is here.", "Nos meilleurs voeux."),
    *said(
        "claims",
        ALLOW,
        "The best coffee in town.",
        facts=(FACT.model_copy(update={"text": "The best coffee in town."}),),
    ),
    *said(
        "claims",
        REFUSE,
        "The best coffee in town.",
        "Guaranteed to please.",
        "Clinically tested.",
        "The cheapest in town.",
        "Le meilleur café.",
        "Satisfaction garantie.",
        "Cliniquement prouvé.",
        "An award-winning blend.",
        "Hurry.",
        "Last chance.",
        "Only a few left.",
        "Only three left.",
        "Il n'en reste que deux.",
        "Dernière chance.",
        "Stocks limités.",
        "Ends soon.",
        "Offer ends tonight.",
        "Plus que quelques pièces.",
    ),
    *said(
        "plain_text",
        ALLOW,
        "C’est l’été – déjà « là » !",
        "Œufs, cœur, naïve, Noël: 5 % ?",
        "Merci 👩‍🍳 ❤️",
        "Price: 1 000 €",
    ),
    *said(
        "plain_text",
        REFUSE,
        "fr\u200bee",
        "\u202eeerf",
        "soft\u00adhyphen",
        "cоffee with a Cyrillic letter",
        "ϲoffee with a Greek letter",
        "𝐟𝐫𝐞𝐞",
        "f r e e honey",
        "F.R.E.E honey",
        "evil。com",
        "ｆｒｅｅ",
        "½ price",
        "z̷a̴l̵g̶o",
        "a\ttab",
        "a\nline",
        "<b>bold</b>",
        "<img src=x>",
        "&lt;b&gt;",
        "[click](x)",
        "![](x)",
        "**bold**",
        "`code`",
        "# Heading",
        "javascript:x",
        "\ue000",
        "\U000e0041",
    ),
    row("subject", ALLOW, "a plain subject", subject="It has been a while!"),
    row("subject", ALLOW, "a short word in capitals", subject="TV time"),
    *(
        row("subject", REFUSE, text, subject=text)
        for text in (
            "Re: your order",
            "RE : votre commande",
            "Fwd: hello",
            "TR: bonjour",
            "✅ Confirmed",
            "Invoice enclosed",
            "Votre facture",
            "Security alert",
            "COME BACK TO US NOW",
            "Come back!!",
            "{% if contact.first_name %}Hello{% else %}Re: hello{% endif %}",
        )
    ),
    row(
        "language",
        ALLOW,
        "English under English",
        body=("We would like to see you again in our shop, and here is what is new.",),
    ),
    row(
        "language",
        ALLOW,
        "French under French",
        language="fr",
        body=("Nous serions heureux de vous revoir dans notre boutique, et voici ce qui est nouveau.",),
    ),
    row("language", ALLOW, "too short to tell", body=("Bonjour",)),
    row(
        "language",
        REFUSE,
        "French under English",
        subject="Bonjour",
        headline="Bonjour",
        body=("Nous serions heureux de vous revoir dans notre boutique, et voici ce qui est nouveau pour vous.",),
    ),
    row(
        "language",
        REFUSE,
        "English under French",
        language="fr",
        subject="Hello",
        headline="Hello",
        body=("We would like to see you again in our shop, and here is what is new for you.",),
    ),
    row("length", ALLOW, "a subject of 80 characters", subject="a" * 80),
    row("length", REFUSE, "a subject of 81 characters", subject="a" * 81),
    row("length", REFUSE, "a long default", subject="Hello {{ contact.first_name | default: '" + "a" * 80 + "' }}"),
    row("length", REFUSE, "a long paragraph", body=("a" * 601,)),
    row("length", REFUSE, "nine paragraphs", body=("a",) * 9),
    row("text_message", ALLOW, "a letter needs no word to stop it"),
    row("text_message", ALLOW, "160 characters with the way out", text=("a" * 155 + " STOP",)),
    row("text_message", ALLOW, "two lines in two parts", text=("a" * 152, "a" * 148 + " STOP")),
    row("text_message", REFUSE, "two lines in three parts", text=("a" * 153, "a" * 148 + " STOP")),
    row("text_message", ALLOW, "two parts", text=("a" * 301 + " STOP",)),
    row("text_message", REFUSE, "three parts", text=("a" * 302 + " STOP",)),
    row("text_message", ALLOW, "two parts of other signs", text=("ê" * 129 + " STOP",)),
    row("text_message", REFUSE, "three parts of other signs", text=("ê" * 130 + " STOP",)),
    row("text_message", REFUSE, "two places for a sign", text=("€" * 151 + " STOP",)),
    row("text_message", REFUSE, "values take room", text=("{{ contact.first_name | default: 'you' }} " * 15 + "STOP",)),
    row("text_message", REFUSE, "no way out", text=("Your favourites are back.",)),
    row("text_message", REFUSE, "a way out for some", text=("{% if contact.first_name %}STOP{% else %}Hi{% endif %}",)),
    row("text_message", REFUSE, "part of another word", text=("NONSTOP offers",)),
    row("text_message", ALLOW, "a service message", text=("Your parcel is here.",), purpose="transactional"),
]
