"""Numbers, lines and states over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import stat, statetimeline, timeseries
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

from grafana.source.look import NEUTRAL, PLAIN, RED, SOURCE, Steps
from grafana.source.options import fixed, mappings, query, thresholds


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
        .thresholds(thresholds(steps))
        .color_scheme(builders.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))
        .mappings(mappings(names or {}))
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
    every: str = "",
) -> timeseries.Panel:
    """Lines over time.

    ``queries`` are PromQL and legend, ``colors`` go by legend. An alert's ``limit`` is drawn as a
    dashed line, and so are the series ``dashed`` (a regular expression), limits themselves. With
    ``steps`` a value holds until the next one, as a last job's does. A query that is dear is asked
    for one instant ``every`` so long at most.
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
    if every:
        panel.interval(every)
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
        panel = panel.thresholds(thresholds(limit)).thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(
                common.GraphThresholdsStyleMode.DASHED
            )
        )
    for name, color in (colors or {}).items():
        panel = panel.override_by_name(name, [fixed(color)])
    for name in dashed:
        dash = {"fill": "dash", "dash": [8, 8]}
        panel = panel.override_by_regexp(
            name,
            [
                fixed(RED),
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
        .mappings(mappings(names))
        .thresholds(thresholds(NEUTRAL))
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
