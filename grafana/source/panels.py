"""The shapes that the dashboards' panels share: colours by meaning, variables, links, layout."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import (
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

Panel: TypeAlias = stat.Panel | table.Panel | timeseries.Panel | statetimeline.Panel
Steps: TypeAlias = Sequence[tuple[float | None, str]]
"""From which value on a colour holds; the first has None."""

SOURCE: Final = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG: Final = "azure-backup"
OVERVIEW: Final = "azure-backup-overview"
ITEM: Final = "azure-backup-item"
EXPORTER: Final = "azure-backup-exporter"

GREEN: Final = "green"
YELLOW: Final = "yellow"
ORANGE: Final = "orange"
RED: Final = "red"
DARK_RED: Final = "dark-red"
BLUE: Final = "blue"
PURPLE: Final = "purple"
GREY: Final = "#8e8e8e"

STATES: Final = {
    0: ("OK", GREEN),
    1: ("Not completed", PURPLE),
    2: ("Warnings", YELLOW),
    3: ("Failed", ORANGE),
    4: ("Late", RED),
    5: ("Never succeeded", DARK_RED),
}
"""Of `Scope.worst`. Orange where the alert is a warning, red where it is critical."""

OUTCOMES: Final = {
    0: ("Completed", GREEN),
    1: ("Cancelled", PURPLE),
    2: ("Warnings", YELLOW),
    3: ("Other", GREY),
    4: ("Failed", ORANGE),
    5: ("Running", BLUE),
}
"""Of `Scope.outcome`."""

STATUS_COLORS: Final = {
    "Completed": GREEN,
    "CompletedWithWarnings": YELLOW,
    "Failed": ORANGE,
    "Cancelled": PURPLE,
    "Cancelling": PURPLE,
    "InProgress": BLUE,
    "NotStarted": GREY,
    "Skipped": GREY,
}
"""Of a job's or task's status, as Azure spells it."""

_VAULT_ID: Final = (
    "/subscriptions/${__data.fields.subscription_id}"
    "/resourceGroups/${__data.fields.resource_group}"
    "/providers/Microsoft.RecoveryServices/vaults/${__data.fields.Vault}"
)
PORTAL_JOBS: Final = f"https://portal.azure.com/#@/resource{_VAULT_ID}/backupJobs"
PORTAL_VAULT: Final = f"https://portal.azure.com/#@/resource{_VAULT_ID}/overview"
_KEPT: Final = "${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
ITEM_PAGE: Final = (
    f"/d/{ITEM}?{_KEPT}&var-subscription=${{__data.fields.subscription_id}}"
    "&var-vault=${__data.fields.Vault}&var-item=${__data.fields.Item:percentencode}"
    "&var-container=${__data.fields.container:percentencode}"
)
VAULT_PAGE: Final = (
    f"/d/{OVERVIEW}?{_KEPT}&var-subscription=${{__data.fields.subscription_id}}"
    "&var-vault=${__data.fields.Vault}"
)


def red_from(limit: float, color: str = RED) -> Steps:
    """Green below a limit."""
    return ((None, GREEN), (limit, color))


PLAIN: Final = (None, "text")
NEUTRAL: Final[Steps] = (PLAIN,)
"""A number that is neither good nor bad."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table.

    Attributes:
        title: What stands above it.
        query: PromQL whose value it shows; empty for a label.
        label: The label it shows.
        names: Text and colour of known values.
        steps: Colours from limits.
        links: Title and address.
    """

    title: str
    query: str = ""
    label: str = ""
    unit: str = ""
    width: int = 0
    decimals: int | None = None
    names: dict[int, tuple[str, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    steps: Steps = ()
    links: Sequence[tuple[str, str]] = ()
    hidden: bool = False


WHERE: Final = (
    Column(title="subscription_id", label="subscription_id", hidden=True),
    Column(title="resource_group", label="resource_group", hidden=True),
)
"""What links need to know of a vault."""


def query(
    expr: str, legend: str = "", ref: str = "A", *, instant: bool = False
) -> prometheus.Dataquery:
    """One query."""
    made = prometheus.Dataquery().ref_id(ref).expr(expr).datasource(SOURCE)
    if instant:
        made = made.instant().format(
            PromQueryFormat.TIME_SERIES if legend else PromQueryFormat.TABLE
        )
    else:
        made = made.range()
    return made.legend_format(legend) if legend else made


def _steps(steps: Steps) -> builders.ThresholdsConfig:
    return (
        builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in steps])
    )


def _names(names: dict[int, tuple[str, str]]) -> list[models.ValueMapping]:
    options = {
        str(number): models.ValueMappingResult(text=text, color=color, index=index)
        for index, (number, (text, color)) in enumerate(names.items())
    }
    return [models.ValueMap(options=options)] if options else []


def number(
    title: str,
    description: str,
    expr: str,
    *,
    steps: Steps = NEUTRAL,
    unit: str = "short",
    nothing: str,
    names: dict[int, tuple[str, str]] | None = None,
    decimals: int | None = None,
) -> stat.Panel:
    """One big number; unless it is neutral, the background shows whether it is good."""
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(query(expr, title, instant=True))
        .unit(unit)
        .no_value(nothing)
        .thresholds(_steps(steps))
        .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .mappings(_names(names or {}))
        .color_mode(
            common.BigValueColorMode.BACKGROUND
            if names or steps[0] != PLAIN
            else common.BigValueColorMode.VALUE
        )
        .graph_mode(common.BigValueGraphMode.NONE)
        .text_mode(common.BigValueTextMode.VALUE)
        .justify_mode(common.BigValueJustifyMode.CENTER)
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
    )
    if decimals is not None:
        panel = panel.decimals(decimals)
    return panel


def lines(
    title: str,
    description: str,
    queries: Sequence[tuple[str, str]],
    *,
    unit: str,
    nothing: str,
    limit: Steps = (),
    colors: dict[str, str] | None = None,
    dashed: Iterable[str] = (),
    stacked: bool = False,
    bars: bool = False,
    steps: bool = False,
) -> timeseries.Panel:
    """Lines over time.

    ``queries`` are PromQL and legend, ``colors`` go by legend. An alert's ``limit`` is drawn as a
    dashed line, and so are the series ``dashed`` (a regular expression), limits themselves. With
    ``steps`` a value holds until the next one, as a last job's does.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .no_value(nothing)
        .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.PALETTE_CLASSIC))
        .draw_style(common.GraphDrawStyle.BARS if bars else common.GraphDrawStyle.LINE)
        .line_width(1)
        .fill_opacity(60 if stacked else 0)
        .show_points(common.VisibilityMode.NEVER)
        .legend(
            common_builders.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
        .tooltip(
            common_builders.VizTooltipOptions()
            .mode(common.TooltipDisplayMode.MULTI)
            .sort(common.SortOrder.DESCENDING)
        )
    )
    for ref, (expr, legend) in zip("ABCDEFGH", queries, strict=False):
        panel = panel.with_target(query(expr, legend, ref))
    if unit == "short":
        panel = panel.axis_soft_max(5)
    if steps:
        panel = panel.line_interpolation(common.LineInterpolation.STEP_AFTER)
    if stacked:
        panel = panel.stacking(
            common_builders.StackingConfig().mode(common.StackingMode.NORMAL).group("A")
        )
    if limit:
        panel = panel.thresholds(_steps(limit)).thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(
                common.GraphThresholdsStyleMode.DASHED
            )
        )
    for name, color in (colors or {}).items():
        panel = panel.override_by_name(name, [_fixed(color)])
    for name in dashed:
        dash = {"fill": "dash", "dash": [8, 8]}
        panel = panel.override_by_regexp(
            name,
            [
                _fixed(RED),
                models.DynamicConfigValue(id_val="custom.lineStyle", value=dash),
                models.DynamicConfigValue(id_val="custom.fillOpacity", value=0),
                models.DynamicConfigValue(
                    id_val="custom.stacking", value={"mode": "none", "group": "limit"}
                ),
            ],
        )
    return panel


def timeline(
    title: str,
    description: str,
    expr: str,
    *,
    legend: str,
    names: dict[int, tuple[str, str]],
    nothing: str,
) -> statetimeline.Panel:
    """States over time, a row for each series."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(query(expr, legend))
        .unit("short")
        .no_value(nothing)
        .mappings(_names(names))
        .thresholds(_steps(NEUTRAL))
        .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .merge_values(True)
        .show_value(common.VisibilityMode.AUTO)
        .align_value(common.TimelineValueAlignment.LEFT)
        .row_height(0.8)
        .fill_opacity(80)
        .line_width(0)
        .legend(
            common_builders.VizLegendOptions()
            .show_legend(True)
            .display_mode(common.LegendDisplayMode.LIST)
            .placement(common.LegendPlacement.BOTTOM)
        )
    )


def rows(
    title: str,
    description: str,
    columns: Sequence[Column],
    *,
    nothing: str,
    worst_first: str | Sequence[str],
    ascending: bool = False,
) -> table.Panel:
    """A table; each query adds a value to the rows that its labels name."""
    queried = [column for column in columns if column.query]
    panel = (
        table.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit("short")
        .no_value(nothing)
        .show_header(True)
        .cell_height(common.TableCellHeight.SM)
        .min_width(60)
        .thresholds(_steps(NEUTRAL))
    )
    renamed: dict[str, str] = {}
    for ref, column in zip("ABCDEFGHIJKLMN", queried, strict=False):
        panel = panel.with_target(query(column.query, ref=ref, instant=True))
        renamed[f"Value #{ref}" if len(queried) > 1 else "Value"] = column.title
    renamed |= {column.label: column.title for column in columns if column.label}
    titles = {title: source for source, title in renamed.items()}
    order = {titles[column.title]: place for place, column in enumerate(columns)}
    # Some queries only bring labels along.
    shown = [titles[column.title] for column in columns if not (column.query and column.hidden)]
    transformations: tuple[tuple[str, dict[str, object]], ...] = (
        ("merge", {}),
        # What no column names is left out.
        ("filterFieldsByName", {"include": {"names": shown}}),
        (
            "organize",
            {
                "indexByName": order,
                "renameByName": {a: b for a, b in renamed.items() if a != b},
                "excludeByName": {},
            },
        ),
    )
    for id_val, options in transformations:
        panel = panel.with_transformation(
            models.DataTransformerConfig(id_val=id_val, options=options)
        )
    panel = panel.sort_by(
        [
            common_builders.TableSortByFieldState().display_name(name).desc(not ascending)
            for name in ([worst_first] if isinstance(worst_first, str) else worst_first)
        ]
    )
    # The text for a table without rows is none for a cell without a value.
    panel = panel.override_by_regexp(
        "/.*/", [models.DynamicConfigValue(id_val="noValue", value="-")]
    )
    for column in columns:
        if properties := _properties(column):
            panel = panel.override_by_name(column.title, properties)
    return panel


def _properties(column: Column) -> list[models.DynamicConfigValue]:
    found: dict[str, object] = {}
    if column.hidden:
        found["custom.hidden"] = True
        # It is there for links, which take the text.
        found["noValue"] = ""
    # Else an error code, a text of digits, would be shown as 400 K.
    if unit := column.unit or ("string" if column.label else ""):
        found["unit"] = unit
    if column.width:
        found["custom.width"] = column.width
    if column.decimals is not None:
        found["decimals"] = column.decimals
    if column.names:
        found["mappings"] = _names(column.names)
        found["custom.cellOptions"] = {"type": "color-background", "mode": "basic"}
        found["custom.align"] = "center"
    if column.texts:
        found["mappings"] = [
            models.ValueMap(
                options={
                    text: models.ValueMappingResult(color=color, index=index)
                    for index, (text, color) in enumerate(column.texts.items())
                }
            )
        ]
        found["custom.cellOptions"] = {"type": "color-text"}
    if column.steps:
        found["thresholds"] = _steps(column.steps).build()
        found["custom.cellOptions"] = {"type": "color-text"}
    if column.links:
        found["links"] = [_link(*link).build() for link in column.links]
    return [models.DynamicConfigValue(id_val=key, value=value) for key, value in found.items()]


def _fixed(color: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})


def _link(title: str, url: str) -> builders.DashboardLink:
    return builders.DashboardLink(title).url(url).target_blank(url.startswith("https:"))


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
