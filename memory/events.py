"""What contacts do: the kinds of event that Noria counts, and which of them are signs of a living person."""

from __future__ import annotations

CLICK = "click"
REPLY = "reply"
ORDER = "order"
VISITS = ("visit", "view", "cart", "search", "checkout")
"""On the shop or site: came, looked at a product, put it in the cart, searched, began to pay."""
SIGNALS = (CLICK, REPLY, *VISITS)
"""Together with orders: signs of life. Opens are none, since machines open mail."""
UNSUBSCRIBE = "unsubscribe"
COMPLAINT = "complaint"
BOUNCE = "bounce"
ACCEPTED = "accepted"
"""A provider says that it took a message of ours."""
DELIVERED = "delivered"
"""A mail provider says that a message arrived."""
DEFERRED = "deferred"
"""A provider says that the receiving side put a message off; it will be tried again."""
AUTO_REPLY = "auto_reply"
"""A machine answered for somebody; it is kept and does nothing."""
SENT = "sent"
"""Another system wrote to the contact."""
SIGNUP_PENDING = "signup_pending"
"""Somebody left an address and has not confirmed it yet."""
CONFIRM = "confirm"
"""They confirmed that the address is theirs and that they want to be written to."""
KINDS: tuple[str, ...] = (
    *SIGNALS,
    ORDER,
    "open",
    UNSUBSCRIBE,
    COMPLAINT,
    BOUNCE,
    SENT,
    "form",
    SIGNUP_PENDING,
    CONFIRM,
)
"""Names that the rest of Noria understands; others are kept and can be counted in segments."""
