"""Every request to SendGrid and Resend, held against the document that the vendor publishes.

The documents are not part of this repository: they lie in `shared/specs` beside it. Without them these tests are
skipped, and say so.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.tools.channels.providers import KEY, PUBLIC, letter
from tools.channels.exchange import Post
from tools.channels.provider import ProviderChannel
from tools.channels.resend.channel import ResendChannel
from tools.channels.resend.options import ResendOptions
from tools.channels.sendgrid.channel import SendGridChannel
from tools.channels.sendgrid.options import SendGridOptions

openapi_core = pytest.importorskip("openapi_core", reason="openapi-core is not installed: no request was checked")


SPECS = Path(__file__).parents[4] / "shared" / "specs"


@cache
def contract(name: str) -> Any:
    """A vendor's document; the test is skipped where it is not at hand."""
    path = SPECS / name
    if not path.is_file():
        pytest.skip(f"there is no {path}: the request was NOT held against the vendor's document")
    text = gzip.decompress(path.read_bytes()).decode()
    return openapi_core.OpenAPI.from_dict(json.loads(text) if name.endswith(".json.gz") else yaml.safe_load(text))


def hold(name: str, post: Post) -> None:
    """Raise where a request is not what the vendor's document asks for."""
    from openapi_core.testing import MockRequest

    host, _, path = post.url.removeprefix("https://").partition("/")
    headers = {key: value for key, value in post.headers.items() if key != "Content-Type"}
    request = MockRequest(
        f"https://{host}", "post", f"/{path}", headers=headers, data=post.content, content_type="application/json"
    )
    contract(name).validate_request(request)


CASES = [
    ("sendgrid_tsg_mail_v3.json.gz", SendGridChannel(SendGridOptions(), KEY, PUBLIC), 1),
    ("sendgrid_tsg_mail_v3.json.gz", SendGridChannel(SendGridOptions(test=True, region="eu"), KEY, PUBLIC), 1),
    ("resend.yaml.gz", ResendChannel(ResendOptions(), KEY, PUBLIC), 1),
    ("resend.yaml.gz", ResendChannel(ResendOptions(), KEY, PUBLIC), 100),
]


@pytest.mark.parametrize(("name", "channel", "size"), CASES)
def test_a_request_is_what_the_vendors_document_asks_for(name: str, channel: ProviderChannel, size: int) -> None:
    hold(name, channel.request([letter(f"key{number:03}") for number in range(size)]))


@pytest.mark.parametrize(("name", "channel", "size"), CASES[::2])
def test_what_the_document_does_not_allow_is_noticed(name: str, channel: ProviderChannel, size: int) -> None:
    contract(name)
    post = channel.request([letter()])
    wrong = post.content.replace(b'"subject": "Hi"', b'"subject": 3')
    assert wrong != post.content
    with pytest.raises(openapi_core.exceptions.OpenAPIError):
        hold(name, Post(post.url, wrong, post.headers))
