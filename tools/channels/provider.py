"""A channel through a provider, made from what is known of that one."""

from __future__ import annotations

from abc import abstractmethod

from tools.channels.channel import Capabilities
from tools.channels.exchange import Post, PostingChannel
from tools.channels.vendor import Options, Vendor


class ProviderChannel(PostingChannel):
    """Hands messages to one provider."""

    def __init__(self, vendor: Vendor, options: Options, *, repeatable: bool = False) -> None:
        self.vendor = vendor
        at_once = options.connections * max(vendor.per_request, 2)
        super().__init__(
            vendor.name,
            # No provider knows a single message again for as long as a worker may be away.
            Capabilities(
                carries=vendor.carries,
                idempotent=False,
                batch_size=at_once,
                at_once=at_once,
                max_length=vendor.longest,
            ),
            group=vendor.per_request,
            connections=options.connections,
            repeatable=repeatable,
            title=vendor.title,
        )

    @abstractmethod
    def empty(self) -> Post:
        """A request that carries no message: it is answered by 401 or 403 if the key does not do, and else refused."""
