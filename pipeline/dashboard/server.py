"""The pages as a web server: what stands under which address, and how long the server lives."""

from __future__ import annotations

import socket
from collections.abc import Callable

import click
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from formats.errors import TextshardsError, UsageError
from pipeline.dashboard.catalogue import Catalogue
from pipeline.dashboard.guard import Guard
from pipeline.dashboard.links import ServerLinks
from pipeline.dashboard.pictures import (
    layer_picture,
    page_picture,
    quarantined_picture,
    thumbnail,
    unreadable_picture,
)
from pipeline.dashboard.render import Pages, Values
from pipeline.dashboard.run_views import RunViews
from pipeline.dashboard.set_views import SetViews

KEPT = {"cache-control": "private, max-age=300"}
"""Of pictures. Pages are asked for anew: what they tell of changes."""
_KINDS = {"jpg": "jpeg", "png": "png"}
FRESH = {"cache-control": "no-store"}


def make_app(catalogue: Catalogue, host: str, token: str | None = None) -> Starlette:
    """Return the pages as an ASGI application.

    Args:
        catalogue: what to show.
        host: that is listened at.
        token: that is asked for; None for none.
    """
    pages, sets, runs = Pages(ServerLinks()), SetViews(catalogue), RunViews(catalogue)

    def html(template: str, fill: Callable[[Request], Values]) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            def make() -> str:
                return pages.page(template, fill(request))

            return HTMLResponse(await run_in_threadpool(make), headers=FRESH)

        return answer

    def picture(kind: str, make: Callable[[Request], bytes]) -> Callable[[Request], object]:
        async def answer(request: Request) -> Response:
            return Response(await run_in_threadpool(make, request), media_type=kind, headers=KEPT)

        return answer

    def text(kind: str, content: str) -> Callable[[Request], object]:
        async def answer(_: Request) -> Response:
            return Response(content, media_type=kind, headers=FRESH)

        return answer

    async def fault(_: Request, error: Exception) -> Response:
        if isinstance(error, HTTPException):
            return HTMLResponse(_fault_page(pages, "Not here", error.detail), error.status_code)
        status = 404 if isinstance(error, UsageError) else 409
        return HTMLResponse(_fault_page(pages, "This cannot be shown", str(error)), status, headers=FRESH)

    def opened(request: Request) -> tuple[str, int]:
        return request.path_params["set"], request.path_params["number"]

    def quarantined(request: Request) -> bytes:
        name, number = opened(request)
        rows = catalogue.opened(name).manifest.quarantined
        if number >= len(rows):
            raise UsageError(f"quarantined page {number} of {name}", expected=f"below {len(rows)}")
        try:
            return quarantined_picture(catalogue.folder(name), rows[number])
        except TextshardsError:
            return unreadable_picture()

    def sample_of(make: Callable[..., bytes]) -> Callable[[Request], bytes]:
        def made(request: Request) -> bytes:
            name, number = opened(request)
            found = catalogue.opened(name)
            if number >= len(found):
                raise UsageError(f"sample {number} of {name}", expected=f"below {len(found)}")
            layer = request.path_params.get("layer")
            return make(found, number) if layer is None else make(found, number, layer)

        return made

    def of_set(request: Request) -> str:
        name: str = request.path_params["set"]
        return name

    def difference(request: Request) -> Values:
        return sets.difference(*(request.query_params.get(side, "") for side in ("a", "b")))

    shown: dict[str, tuple[str, Callable[[Request], Values]]] = {
        "/": ("sets.html", lambda _: sets.overview()),
        "/set/{set}": ("set.html", lambda r: sets.set_page(of_set(r))),
        "/set/{set}/samples": ("samples.html", lambda r: sets.samples(of_set(r), r.query_params)),
        "/set/{set}/sample/{number:int}": ("sample.html", lambda r: sets.sample(*opened(r), r.query_params)),
        "/set/{set}/distributions": ("distributions.html", lambda r: sets.distributions(of_set(r))),
        "/diff": ("diff.html", difference),
        "/runs": ("runs.html", lambda _: runs.runs()),
        "/run/{run}": ("run.html", lambda r: runs.run(r.path_params["run"])),
        "/compare": ("compare.html", lambda r: runs.comparison(r.query_params.getlist("run"))),
    }
    pictures = {
        "/set/{set}/thumb/{number:int}.jpg": sample_of(thumbnail),
        "/set/{set}/page/{number:int}.jpg": sample_of(page_picture),
        "/set/{set}/layer/{number:int}/{layer}.png": sample_of(layer_picture),
        "/set/{set}/quarantined/{number:int}.jpg": quarantined,
    }
    routes = [
        *(Route(path, html(template, fill)) for path, (template, fill) in shown.items()),
        *(Route(path, picture(f"image/{_KINDS[path[-3:]]}", make)) for path, make in pictures.items()),
        Route("/style.css", text("text/css", pages.style())),
        Route("/script.js", text("text/javascript", pages.script())),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, host=host, token=token)],
        exception_handlers={TextshardsError: fault, HTTPException: fault, OSError: fault},
    )


def _fault_page(pages: Pages, title: str, text: str) -> str:
    return pages.page("fault.html", {"title": title, "text": text})


def serve(catalogue: Catalogue, host: str, port: int, token: str | None) -> None:
    """Serve until Ctrl-C; tells the address on stderr once it can be opened.

    Raises:
        UsageError: the address cannot be listened at.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"address {host}:{port}",
            expected="one that is free on this machine",
            found=error.strerror or str(error),
            next_step="name another with --host and --port (--port 0 takes any that is free)",
        ) from None
    shown = f"[{host}]" if ":" in host else host
    address = f"http://{shown}:{listening.getsockname()[1]}/{f'?token={token}' if token else ''}"
    click.echo(f"serving {address}  (Ctrl-C ends it)", err=True)
    config = uvicorn.Config(
        make_app(catalogue, host, token), log_level="warning", access_log=False, lifespan="off"
    )
    try:
        uvicorn.Server(config).run([listening])
    finally:
        catalogue.later.close()
        listening.close()
