"""The plain page: what runs, and what was recommended."""

from datetime import UTC, datetime

from aiohttp import web
from jinja2 import Environment, PackageLoader, select_autoescape

from budsim.storage.queries import WorkflowFilter
from budsim.web.application import PARTS
from budsim.web.security import token_of

SHOWN = 50


async def show(request: web.Request) -> web.Response:
    """Show the newest workflows."""
    wanted = WorkflowFilter(projects=token_of(request).projects)
    views, total = await request.app[PARTS].queries.page(wanted, page=1, limit=SHOWN)
    template = Environment(loader=PackageLoader("budsim.web"), autoescape=select_autoescape()).get_template("page.html")
    times = {view.id: datetime.fromtimestamp(view.created_s, tz=UTC).strftime("%Y-%m-%d %H:%M:%S") for view in views}
    return web.Response(text=template.render(views=views, total=total, times=times), content_type="text/html")


ROUTES = (web.get("/", show),)
