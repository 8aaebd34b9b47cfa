"""The pages that contacts see: leaving, in one click, without a login, and never by a GET."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse
from fastapi.templating import Jinja2Templates
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import Response

from memory.brand import Brand
from memory.clock import Clock
from memory.errors import InvalidInputError
from memory.store import Store
from memory.workspace import salt
from tools.unsubscribe import unsubscribe, verify

TEXTS = {
    "en": {
        "title": "Unsubscribe",
        "ask": "Do you want to stop receiving e-mail from {name}?",
        "button": "Yes, unsubscribe me",
        "done": "Done. You will receive no more marketing e-mail from {name}.",
        "bad": "This link is incomplete or damaged. Use the link in the newest message, or reply to it with “stop”.",
    },
    "fr": {
        "title": "Se désabonner",
        "ask": "Voulez-vous ne plus recevoir d’e-mails de {name} ?",
        "button": "Oui, me désabonner",
        "done": "C’est fait. Vous ne recevrez plus d’e-mails publicitaires de {name}.",
        "bad": "Ce lien est incomplet ou abîmé. Utilisez celui du dernier message, ou répondez-y « stop ».",
    },
}


class SecurityHeaders(BaseHTTPMiddleware):
    """Nothing is loaded from elsewhere, nothing is framed, no address leaks by the referrer."""

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["Content-Security-Policy"] = (
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
        )
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        response.headers["Cache-Control"] = "no-store"
        return response


def public_app(store: Store, clock: Clock, brand: Brand) -> FastAPI:
    """The web application that is open to the internet: it can withdraw consent and nothing else."""
    app = FastAPI(title="Noria", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(SecurityHeaders)
    folder = Path(__file__).parent
    templates = Jinja2Templates(folder / "templates")
    css = (folder / "static" / "public.css").read_text(encoding="utf-8")

    def page(request: Request, state: str, status: int) -> HTMLResponse:
        language = "fr" if request.headers.get("accept-language", "").lower().startswith("fr") else "en"
        texts = {key: text.format(name=brand.name) for key, text in TEXTS[language].items()}
        return templates.TemplateResponse(
            request,
            "unsubscribe.html",
            {"texts": texts, "state": state, "language": language, "brand": brand},
            status_code=status,
        )

    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/public.css")
    def stylesheet() -> Response:
        return Response(css, media_type="text/css")

    @app.get("/u/{token}")
    def ask(request: Request, token: str) -> HTMLResponse:
        """Shows a page and changes nothing: link scanners follow every link."""
        try:
            with store.read() as connection:
                verify(salt(connection), token)
        except InvalidInputError:
            return page(request, "bad", 404)
        return page(request, "ask", 200)

    @app.post("/u/{token}")
    def leave(request: Request, token: str, one_click: str = Form(default="", alias="List-Unsubscribe")) -> Response:
        """Withdraws consent at once; mail programs post `List-Unsubscribe=One-Click` (RFC 8058)."""
        try:
            unsubscribe(store, token, clock.now())
        except InvalidInputError:
            return page(request, "bad", 404)
        return Response(status_code=200) if one_click == "One-Click" else page(request, "done", 200)

    return app
