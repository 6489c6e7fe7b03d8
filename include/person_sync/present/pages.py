"""
HTML pages from the templates beside this module.

Every page extends `base.html`, which brings the one style sheet: a page is a single file that loads nothing from
anywhere and follows the reader's light or dark mode. Everything put into a template is escaped.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from include.person_sync.present.figures import moment, number, percent

if TYPE_CHECKING:
    from jinja2 import Environment


def render_page(template: str, **values: Any) -> str:
    """Return a template's page. Raises jinja2.UndefinedError when the template asks for what it was not given."""
    return environment().get_template(template).render(**values)


@cache
def environment() -> Environment:
    """Return the templates with their filters; loaded when the first page is made, since few processes make any."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__ or ""),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: "" if value is None else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(number=number, percent=percent, moment=moment)
    return environment
