// Draws one dashboard as Grafana does: its data frames, transformations, field options and charts.
// The state timeline is the one chart that Grafana keeps for itself; ours stands at the end.
import React from 'react';
import { createRoot } from 'react-dom/client';
import {
  applyFieldOverrides,
  createDataFrame,
  createTheme,
  dateTime,
  FieldType,
  getFieldDisplayName,
  getFieldDisplayValues,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  ThemeContext,
  transformDataFrame,
} from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { BigValue, GlobalStyles, PanelChrome, Table, TimeSeries } from '@grafana/ui';
import { firstValueFrom } from 'rxjs';
import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import 'uplot/dist/uPlot.min.css';

const { dashboard, prometheus, from, to, variables, width } = window.input;
const theme = createTheme({ colors: { mode: 'dark' } });
const CELL = { width: (width - 16) / 24, height: 38 };
const plain = (text) => text;

function substitute(expr, step) {
  const values = { ...variables, __rate_interval: `${Math.max(4 * 300, step)}s` };
  return expr.replace(/\$\{?(\w+)\}?/g, (whole, name) => values[name] ?? whole);
}

async function ask(target) {
  const step = Math.max(60, Math.ceil((to - from) / 500 / 60) * 60);
  const query = substitute(target.expr, step);
  const parameters = target.instant ? { query, time: to } : { query, start: from, end: to, step };
  const path = target.instant ? 'query' : 'query_range';
  const answer = await fetch(`${prometheus}/api/v1/${path}?${new URLSearchParams(parameters)}`);
  const body = await answer.json();
  if (body.status !== 'success') throw new Error(`${target.expr}: ${body.error}`);
  return { rows: body.data.result, step };
}

function legend(format, labels) {
  const name = format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? '');
  return name.replace(/\s+/g, ' ').trim();
}

const time = (values, config = {}) => ({ name: 'Time', type: FieldType.time, values, config });

async function frames(panel) {
  const targets = panel.targets ?? [];
  const found = await Promise.all(targets.map(ask));
  return found.flatMap(({ rows, step }, index) => {
    const { refId, format, legendFormat } = targets[index];
    if (format !== 'table') {
      return rows.map(({ metric, value, values = [value] }) => {
        const fields = [
          time(values.map(([at]) => at * 1000), { interval: step * 1000 }),
          {
            name: 'Value',
            type: FieldType.number,
            labels: metric,
            values: values.map(([, number]) => Number(number)),
            config: { displayNameFromDS: legend(legendFormat ?? '', metric) },
          },
        ];
        return createDataFrame({ refId, fields });
      });
    }
    if (!rows.length) return [];
    const labels = [...new Set(rows.flatMap(({ metric }) => Object.keys(metric)))].sort();
    const fields = [
      time(rows.map(({ value }) => value[0] * 1000)),
      ...labels.map((name) => ({
        name,
        type: FieldType.string,
        values: rows.map(({ metric }) => metric[name] ?? ''),
        config: {},
      })),
      {
        name: targets.length > 1 ? `Value #${refId}` : 'Value',
        type: FieldType.number,
        values: rows.map(({ value }) => Number(value[1])),
        config: {},
      },
    ];
    return [createDataFrame({ refId, fields })];
  });
}

function registerFields(panels) {
  const standard = 'unit min max decimals color noValue thresholds mappings links displayName';
  const custom = panels.flatMap(({ fieldConfig }) => [
    ...Object.keys(fieldConfig?.defaults?.custom ?? {}),
    ...(fieldConfig?.overrides ?? [])
      .flatMap(({ properties }) => properties.map(({ id }) => id))
      .filter((id) => id.startsWith('custom.'))
      .map((id) => id.slice('custom.'.length)),
  ]);
  const item = (id, path, isCustom) => ({
    id,
    path,
    isCustom,
    name: id,
    process: (value) => value,
    shouldApply: () => true,
  });
  standardFieldConfigEditorRegistry.setInit(() => [
    ...standard.split(' ').map((id) => item(id, id, false)),
    ...[...new Set(custom)].map((id) => item(`custom.${id}`, id, true)),
  ]);
  standardTransformersRegistry.setInit(() =>
    [...new Set(Object.values(standardTransformers))].map((transformation) => ({
      id: transformation.id,
      name: transformation.name,
      transformation,
      editor: () => null,
    }))
  );
}

async function load(panel) {
  if (panel.type === 'row') return [];
  const raw = await frames(panel);
  const transformed = panel.transformations?.length
    ? await firstValueFrom(
        transformDataFrame(panel.transformations, raw, { interpolate: plain })
      )
    : raw;
  return applyFieldOverrides({
    data: transformed,
    fieldConfig: panel.fieldConfig,
    replaceVariables: plain,
    theme,
    timeZone: 'utc',
  });
}

const range = { from: dateTime(from * 1000), to: dateTime(to * 1000), raw: { from: '', to: '' } };

function Stat({ panel, data, width, height }) {
  const { options, fieldConfig } = panel;
  const [shown] = getFieldDisplayValues({
    fieldConfig,
    reduceOptions: options.reduceOptions,
    replaceVariables: plain,
    theme,
    data,
    timeZone: 'utc',
  });
  return (
    <BigValue
      {...{ width, height, theme }}
      value={shown.display}
      colorMode={options.colorMode}
      graphMode="none"
      textMode={options.textMode}
      justifyMode={options.justifyMode}
    />
  );
}

function Rows({ panel, data, width, height }) {
  if (!data.length || !data[0].length) return <Nothing panel={panel} />;
  return (
    <Table
      {...{ width, height }}
      data={data[0]}
      showHeader
      cellHeight={panel.options.cellHeight}
      initialSortBy={panel.options.sortBy}
      timeRange={range}
    />
  );
}

function Lines({ panel, data, width, height }) {
  if (!data.length) return <Nothing panel={panel} />;
  return (
    <TimeSeries
      {...{ width, height }}
      frames={data}
      timeRange={range}
      timeZone="utc"
      legend={{ calcs: [], ...panel.options.legend }}
      options={{}}
    />
  );
}

function Nothing({ panel }) {
  const text = panel.fieldConfig.defaults.noValue;
  return <div style={{ padding: 24, color: theme.colors.text.secondary }}>{text}</div>;
}

function StateTimeline({ panel, data, width, height }) {
  if (!data.length) return <Nothing panel={panel} />;
  const side = 130;
  const across = (at) => side + ((at / 1000 - from) / (to - from)) * (width - side - 8);
  const tall = (height - 50) / data.length;
  const seen = new Map();
  const bars = data.flatMap((frame, row) => {
    const [times, values] = frame.fields;
    const parts = [];
    values.values.forEach((value, index) => {
      const last = parts.at(-1);
      if (last && last.value === value) last.end = times.values[index];
      else {
        if (last) last.end = times.values[index];
        parts.push({ value, start: times.values[index], end: times.values[index] });
      }
    });
    return parts.map(({ value, start, end }) => {
      const { text, color } = values.display(value);
      seen.set(text, color);
      const left = across(start);
      const long = Math.max(across(end) - left, 1);
      return (
        <g key={`${row} ${start}`}>
          <rect x={left} y={row * tall + 2} width={long} height={tall * 0.8} fill={color} opacity={0.8} />
          {long > 60 && (
            <text x={left + 6} y={row * tall + tall * 0.4 + 6} fill="#111217" fontSize={12}>
              {text}
            </text>
          )}
        </g>
      );
    });
  });
  const names = data.map((frame, row) => (
    <text key={row} x={side - 8} y={row * tall + tall * 0.4 + 6} textAnchor="end" fill="#ccccdc" fontSize={12}>
      {getFieldDisplayName(frame.fields[1], frame, data)}
    </text>
  ));
  const ticks = Array.from({ length: 9 }, (_, index) => (from + ((to - from) * (index + 0.5)) / 9) * 1000);
  return (
    <>
      <svg width={width} height={height - 26}>
        {bars}
        {names}
        {ticks.map((at) => (
          <text key={at} x={across(at)} y={height - 32} textAnchor="middle" fill="#ccccdc" fontSize={12}>
            {new Date(at).toISOString().slice(5, 16).replace('T', ' ')}
          </text>
        ))}
      </svg>
      <div style={{ display: 'flex', gap: 16, fontSize: 12 }}>
        {[...seen].map(([text, color]) => (
          <span key={text}>
            <span style={{ background: color, display: 'inline-block', width: 14, height: 4 }} /> {text}
          </span>
        ))}
      </div>
    </>
  );
}

const charts = { stat: Stat, table: Rows, timeseries: Lines, 'state-timeline': StateTimeline };

function Panel({ panel, data }) {
  const { x, y, w, h } = panel.gridPos;
  const place = {
    position: 'absolute',
    left: 8 + x * CELL.width,
    top: 60 + y * CELL.height,
    width: w * CELL.width - 8,
    height: h * CELL.height - 8,
  };
  if (panel.type === 'row') return <h4 style={{ ...place, paddingTop: 4 }}>{panel.title}</h4>;
  const Chart = charts[panel.type];
  return (
    <div style={place}>
      <PanelChrome title={panel.title} width={place.width} height={place.height} padding={panel.type === 'table' ? 'none' : 'md'}>
        {(width, height) => <Chart {...{ panel, data, width, height }} />}
      </PanelChrome>
    </div>
  );
}

function Bar() {
  const chosen = dashboard.templating.list.filter(({ name }) => name !== 'datasource');
  const box = { border: '1px solid #ccccdc33', borderRadius: 2, padding: '2px 8px' };
  return (
    <div style={{ display: 'flex', gap: 16, padding: '14px 8px', alignItems: 'center' }}>
      <h4 style={{ margin: 0 }}>{dashboard.title}</h4>
      {chosen.map(({ name, label }) => (
        <span key={name} style={{ fontSize: 13 }}>
          {label} <span style={box}>{variables[name] === '.*' ? 'All' : variables[name]}</span>
        </span>
      ))}
    </div>
  );
}

async function draw() {
  await initPluginTranslations('grafana', []);
  registerFields(dashboard.panels);
  const all = await Promise.all(dashboard.panels.map(load));
  const bottom = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }) => y + h));
  const size = { position: 'relative', width, height: 60 + bottom * CELL.height + 8 };
  createRoot(document.getElementById('root')).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <div id="dashboard" style={{ ...size, background: theme.colors.background.canvas }}>
        <Bar />
        {dashboard.panels.map((panel, index) => (
          <Panel key={panel.id} panel={panel} data={all[index]} />
        ))}
      </div>
    </ThemeContext.Provider>
  );
  setTimeout(() => (window.drawn = true), 1500);
}

draw().catch((error) => {
  window.failed = String(error.stack);
});
