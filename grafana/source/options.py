"""What every panel is made of: queries, thresholds, mappings, links."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.builders import prometheus
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from grafana.source.look import SOURCE, Steps


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


def thresholds(steps: Steps) -> builders.ThresholdsConfig:
    """Colours from limits on."""
    return (
        builders.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in steps])
    )


def mappings(names: dict[int, tuple[str, str]]) -> list[models.ValueMapping]:
    """Text and colour of known values, in this order."""
    options = {
        str(number): models.ValueMappingResult(text=text, color=color, index=index)
        for index, (number, (text, color)) in enumerate(names.items())
    }
    return [models.ValueMap(options=options)] if options else []


def fixed(color: str) -> models.DynamicConfigValue:
    """An override to one colour."""
    return models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": color})


def link(title: str, url: str) -> builders.DashboardLink:
    """A link of a cell; one that leaves Grafana opens beside it."""
    return builders.DashboardLink(title).url(url).target_blank(url.startswith("https:"))
