"""Exporter: is what the other dashboards show fresh, and what does reading Azure cost?"""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models import dashboard as models

from grafana.source.board import Panel, board, choice
from grafana.source.look import (
    BLUE,
    EXPORTER,
    GREEN,
    GREY,
    ORANGE,
    PORTAL_VAULT,
    PURPLE,
    RED,
    VAULT_PAGE,
    YELLOW,
    red_from,
)
from grafana.source.panels import lines, number
from grafana.source.queries import SETTINGS, VAULT, Scope
from grafana.source.tables import Column, rows

_SCOPE: Final = Scope(
    target='job=~"$job", instance=~"$instance"',
    vault='subscription_id=~"$subscription", vault=~"$vault"',
)
_STALE: Final = SETTINGS["stale"]
_FEW: Final = SETTINGS["few_reads"]
_TARGET: Final = f"{{{_SCOPE.target}}}"
_BUDGET: Final = "subscription_id, location"


def itself() -> models.Dashboard:
    """The dashboard."""
    return board(
        "Azure Backup / Exporter",
        EXPORTER,
        "How fresh the data are, what Azure answers, how much of its read limit is left.",
        (
            choice("job", "Job", "label_values(azure_backup_exporter_build_info, job)"),
            choice(
                "instance",
                "Instance",
                'label_values(azure_backup_exporter_build_info{job=~"$job"}, instance)',
            ),
            choice(
                "subscription",
                "Subscription",
                'label_values(azure_backup_vault_up{job=~"$job", instance=~"$instance"},'
                " subscription_id)",
            ),
            choice(
                "vault",
                "Vault",
                'label_values(azure_backup_vault_up{job=~"$job", instance=~"$instance",'
                ' subscription_id=~"$subscription"}, vault)',
            ),
        ),
        (
            (4, [(4, panel) for panel in _numbers()]),
            "Freshness",
            (6, [(24, _vaults())]),
            (7, [(8, _ages()), (8, _durations()), (8, _errors())]),
            (4, [(24, _discovery())]),
            "Azure's API",
            (7, [(8, _requests()), (8, _latency()), (8, _budget())]),
            (7, [(8, _retries()), (8, _pending()), (8, _unread())]),
            "Process",
            (7, [(8, _page()), (8, _scrapes()), (8, _process())]),
        ),
        since="now-6h",
    )


def _numbers() -> list[Panel]:
    s = _SCOPE
    read = s.now("vault_last_refresh_success_timestamp_seconds", by=VAULT)
    return [
        number(
            "Exporters down",
            "Exporters that Prometheus cannot scrape: without one, no backup is watched. Look"
            " whether it runs and its port can be reached. As in AzureBackupExporterDown.",
            f"count(up{_TARGET}) - sum(up{_TARGET})",
            steps=red_from(1),
            nothing="not scraped",
        ),
        number(
            "Unreadable vaults",
            "Vaults that the last refresh could not read. The errors below say of which kind, the"
            " exporter's status page and log say why.",
            f"sum(1 - {s.now('vault_up', by=VAULT)})",
            steps=red_from(1),
            nothing="no vaults",
        ),
        number(
            "Stale vaults",
            f"Vaults whose data are older than {_STALE['intervals']} refresh intervals and"
            f" {_STALE['floor']}. As in AzureBackupDataStale: look at the exporter's log, and"
            " restart it if that is silent.",
            f"sum((time() - {read}) > bool on ({VAULT}) {s.stale_after()})",
            steps=red_from(1),
            nothing="not read yet",
        ),
        number(
            "Budgets nearly spent",
            "Subscriptions and regions with few reads left of what Azure allows there: below"
            f" {_FEW['share']:.1%} of them, and {_FEW['at_most']} at most. If it stays so for"
            " hours, AzureBackupReadBudgetSpent fires: make refresh.interval longer or read fewer"
            " vaults.",
            f"sum({s.now('exporter_api_reads_remaining', by=_BUDGET)} < bool on ({_BUDGET})"
            f" clamp_max({_FEW['share']} * {s.now('exporter_api_reads_limit', by=_BUDGET)},"
            f" {_FEW['at_most']}))",
            steps=red_from(1),
            nothing="not read yet",
        ),
        number(
            "Configuration",
            "Refused: the newest configuration could not be loaded, the old one stays in force and"
            " a restart would fail. The log lists every mistake, check-config finds them before.",
            f"min({s.series('exporter_config_last_reload_successful')})",
            names={0: ("Refused", RED), 1: ("Loaded", GREEN)},
            nothing="not scraped",
        ),
        number(
            "Memory",
            "Resident memory of the largest exporter; grows with items and jobs. docs/metrics.md"
            " says how many series to expect.",
            f"max(process_resident_memory_bytes{_TARGET})",
            unit="bytes",
            nothing="not scraped",
        ),
    ]


def _vaults() -> Panel:
    s = _SCOPE
    read = "vault_last_refresh_success_timestamp_seconds"
    return rows(
        "Vaults",
        "How each vault is read. Begin with the unreadable and the oldest. Details that wait mean"
        " that Azure's read limit is short, jobs without series that metrics.max_job_series is.",
        (
            Column(
                title="Reads",
                query=s.now("vault_up", by=VAULT),
                names={0: ("Unreadable", RED), 1: ("OK", GREEN)},
                width=100,
            ),
            Column(
                title="Vault",
                label="vault",
                links=[("Items of this vault", VAULT_PAGE), ("Vault in the portal", PORTAL_VAULT)],
            ),
            Column(title="Resource group", label="resource_group"),
            Column(title="subscription_id", label="subscription_id", hidden=True),
            Column(title="Data age", query=f"time() - {s.now(read, by=VAULT)}", unit="s"),
            Column(title="Stale from", query=s.stale_after(), unit="s"),
            Column(
                title="Refresh interval",
                query=s.now("vault_refresh_interval_seconds", by=VAULT),
                unit="s",
            ),
            Column(
                title="Refresh takes",
                query=s.now("vault_refresh_duration_seconds", by=VAULT),
                unit="s",
            ),
            Column(
                title="Details wait",
                query=s.now("vault_details_pending", by=VAULT),
                steps=((None, "text"), (1, YELLOW)),
            ),
            Column(
                title="Without series",
                query=s.now("vault_job_series_dropped", by=VAULT),
                steps=((None, "text"), (1, YELLOW)),
            ),
            Column(
                title="Failed in 1 h",
                query=f"sum by ({VAULT}) (increase({s.series('vault_refresh_errors_total')}[1h]))",
                decimals=0,
                steps=((None, "text"), (1, ORANGE)),
            ),
        ),
        nothing="No vault is read yet: look at the exporter's log.",
        worst_first="Data age",
    )


def _discovery() -> Panel:
    s = _SCOPE
    by = "instance, scope, source"
    errors = s.series("exporter_discovery_errors_total")
    found_at = s.now("exporter_discovery_last_success_timestamp_seconds", by=by)
    return rows(
        "Discovery",
        "Where vaults are looked for. A search that fails changes nothing: the vaults known before"
        " are read on. As in AzureBackupDiscoveryFailed.",
        (
            Column(title="Scope", label="scope", width=420),
            Column(title="Source", label="source", width=130),
            Column(title="Exporter", label="instance", width=160),
            Column(
                title="Last search",
                query=s.now("exporter_discovery_up", by=by),
                width=110,
                names={0: ("failed", RED), 1: ("worked", GREEN)},
            ),
            Column(
                title="Vaults",
                query=s.now("exporter_discovery_vaults", by=by),
                unit="short",
                width=90,
            ),
            Column(title="Last success", query=f"time() - {found_at}", unit="s", width=130),
            Column(
                title="Failed in 1 h",
                query=f"sum by ({by}) (increase({errors}[1h]))",
                unit="short",
                decimals=0,
            ),
        ),
        nothing="All vaults are named one by one: nothing is looked for.",
        worst_first="Last search",
        ascending=True,
    )


def _ages() -> Panel:
    s = _SCOPE
    read = s.now("vault_last_refresh_success_timestamp_seconds", by=VAULT)
    return lines(
        "Age of the data",
        "Time since each vault was last read; a healthy one saws between zero and its interval."
        " Above the dashed line its data are stale.",
        (
            (f"time() - {read}", "{{vault}}"),
            (f"min({s.stale_after()})", "stale"),
        ),
        unit="s",
        nothing="No vault is read yet.",
        dashed=["/^stale$/"],
    )


def _durations() -> Panel:
    s = _SCOPE
    return lines(
        "Duration of refreshes",
        "How long reading a vault takes. As long as the interval means: too many jobs, a slow"
        " network, or waiting for the read budget.",
        ((s.now("vault_refresh_duration_seconds", by=VAULT), "{{vault}}"),),
        unit="s",
        nothing="No vault is read yet.",
    )


def _errors() -> Panel:
    s = _SCOPE
    return lines(
        "Failed refreshes",
        "By reason. forbidden and unauthorized: the role Backup Reader is missing. throttled: the"
        " read limit. not_found: the vault is gone. network, timeout, server: look at the log.",
        (
            (
                "sum by (kind)"
                f" (increase({s.series('vault_refresh_errors_total')}[$__rate_interval]))",
                "{{kind}}",
            ),
        ),
        unit="short",
        nothing="No vault is read yet.",
        bars=True,
        stacked=True,
        colors={
            "throttled": YELLOW,
            "forbidden": RED,
            "unauthorized": RED,
            "not_found": RED,
            "server": ORANGE,
            "network": PURPLE,
            "timeout": BLUE,
            "payload": GREY,
        },
    )


def _requests() -> Panel:
    s = _SCOPE
    return lines(
        "Requests",
        "Requests to Azure by API and HTTP status. 429 is Azure's read limit, 401 and 403 the"
        " identity's rights, 5xx Azure's own fault.",
        (
            (
                "sum by (api, code)"
                f" (rate({s.series('exporter_api_requests_total')}[$__rate_interval]))",
                "{{api}} {{code}}",
            ),
        ),
        unit="reqps",
        nothing="No request yet.",
        stacked=True,
    )


def _latency() -> Panel:
    s = _SCOPE
    buckets = s.series("exporter_api_request_duration_seconds", part="_bucket")
    rate = f"sum by (api, le) (rate({buckets}[$__rate_interval]))"
    return lines(
        "Time to answer",
        "Half and 95 of 100 requests are answered within. Slow answers make refreshes longer, not"
        " scrapes.",
        (
            (f"histogram_quantile(0.5, {rate})", "{{api}} half"),
            (f"histogram_quantile(0.95, {rate})", "{{api}} 95 %"),
        ),
        unit="s",
        nothing="No request yet.",
    )


def _budget() -> Panel:
    s = _SCOPE
    return lines(
        "Reads left in the budget",
        "Reads of backup jobs that Azure still allows, by subscription and region. Below the"
        f" dashed line for hours (of small budgets below {_FEW['share']:.1%}): make"
        " refresh.interval longer or read fewer vaults.",
        (
            (
                s.now("exporter_api_reads_remaining", by=_BUDGET),
                "{{subscription_id}} {{location}}",
            ),
        ),
        unit="short",
        nothing="No request yet.",
        limit=((None, "transparent"), (_FEW["at_most"], RED)),
    )


def _retries() -> Panel:
    s = _SCOPE
    return lines(
        "Requests tried again",
        "After a passing fault. Now and then is normal; all the time, look at the log for the"
        " reason.",
        (
            (
                "sum by (api)"
                f" (increase({s.series('exporter_api_retries_total')}[$__rate_interval]))",
                "{{api}}",
            ),
        ),
        unit="short",
        nothing="No request was tried again.",
        bars=True,
        stacked=True,
    )


def _pending() -> Panel:
    s = _SCOPE
    return lines(
        "Jobs whose details wait",
        "Their sizes and tasks are not read yet, their statuses are current all the same. If it"
        " does not fall within a day, the read limit is short: AzureBackupDetailsPending.",
        ((s.now("vault_details_pending", by=VAULT), "{{vault}}"),),
        unit="short",
        nothing="No vault is read yet.",
    )


def _unread() -> Panel:
    s = _SCOPE
    return lines(
        "Fields that could not be read",
        "Azure sent a shape the exporter does not know. Please report it with the answer from the"
        " debug log.",
        (
            (
                "sum by (field)"
                f" (increase({s.series('exporter_payload_errors_total')}[$__rate_interval]))",
                "{{field}}",
            ),
        ),
        unit="short",
        nothing="Every answer could be read.",
        bars=True,
        stacked=True,
    )


def _page() -> Panel:
    s = _SCOPE
    return lines(
        "Series about vaults",
        "How many samples the page has. If it grows too large, shorten metrics.window or set"
        " metrics.job_series to running or none.",
        ((s.series("exporter_series"), "{{instance}}"),),
        unit="short",
        nothing="Not scraped yet.",
    )


def _scrapes() -> Panel:
    s = _SCOPE
    return lines(
        "Scrapes and rendering",
        "How long Prometheus waits for the page, and how long the exporter works on it after a"
        " refresh. A scrape only sends; if it is slow, look at the network.",
        (
            (f"scrape_duration_seconds{_TARGET}", "{{instance}} scrape"),
            (s.series("exporter_last_render_duration_seconds"), "{{instance}} rendering"),
        ),
        unit="s",
        nothing="Not scraped yet.",
    )


def _process() -> Panel:
    return lines(
        "Processor",
        "Share of one processor that the exporter uses. High for long: a short refresh.interval"
        " over many vaults.",
        ((f"rate(process_cpu_seconds_total{_TARGET}[$__rate_interval])", "{{instance}}"),),
        unit="percentunit",
        nothing="Not scraped yet.",
    )
