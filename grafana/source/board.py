"""A dashboard: its variables, its links, its layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import stat, statetimeline, table, timeseries
from grafana_foundation_sdk.models import dashboard as models

from grafana.source.look import SOURCE, TAG

Panel: TypeAlias = stat.Panel | table.Panel | timeseries.Panel | statetimeline.Panel


def choice(
    name: str, label: str, query_text: str, *, single: bool = False
) -> builders.QueryVariable:
    """A variable over the values of a label; all of them, unless it is single."""
    made = (
        builders.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query_text, "refId": f"{name}-values", "qryType": 1})
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_CASE_INSENSITIVE_ASC)
    )
    if single:
        return made
    everything = models.VariableOption(selected=True, text=["All"], value=["$__all"])
    return made.multi(True).include_all(True).all_value(".*").current(everything)


def board(
    title: str,
    uid: str,
    description: str,
    variables: Iterable[builders.QueryVariable],
    layout: Iterable[str | tuple[int, Sequence[tuple[int, Panel]]]],
    *,
    since: str,
) -> models.Dashboard:
    """A dashboard.

    Args:
        title: Shown in lists.
        uid: Never changes, since links name it.
        description: What it answers.
        variables: After the data source; each filters by those before it.
        layout: From the top: titles of sections, and rows of a height with widths and panels.
        since: The time range it opens with.
    """
    made = (
        builders.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([TAG])
        .timezone("browser")
        .time(since, "now")
        .refresh("1m")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(
            builders.DashboardLink("Azure Backup")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(False)
            .include_vars(True)
            .keep_time(True)
        )
        .with_variable(
            builders.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
    )
    for variable in variables:
        made = made.with_variable(variable)
    identifier = top = 0
    for part in layout:
        identifier += 1
        if isinstance(part, str):
            made = made.with_row(builders.Row(part).id(identifier).grid_pos(_at(top, 0, 24, 1)))
            top += 1
            continue
        height, panels = part
        left = 0
        for width, panel in panels:
            made = made.with_panel(panel.id(identifier).grid_pos(_at(top, left, width, height)))
            identifier += 1
            left += width
        top += height
    return made.build()


def _at(top: int, left: int, width: int, height: int) -> models.GridPos:
    return models.GridPos(x=left, y=top, w=width, h=height)
