"""Tables that join what several queries know of the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models

from grafana.source.look import NEUTRAL, SOURCE, Steps
from grafana.source.options import link, mappings, query, thresholds


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
        .thresholds(thresholds(NEUTRAL))
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
        found["mappings"] = mappings(column.names)
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
        found["thresholds"] = thresholds(column.steps).build()
        found["custom.cellOptions"] = {"type": "color-text"}
    if column.links:
        found["links"] = [link(*each).build() for each in column.links]
    return [models.DynamicConfigValue(id_val=key, value=value) for key, value in found.items()]
