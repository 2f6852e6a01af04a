// node types.mjs DASHBOARD.json PACKAGE > check.ts: the dashboard as literals of Grafana's types,
// each panel with the options and field settings of its plugin.
import { readFileSync } from 'node:fs';

const { panels, ...rest } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const schema = process.argv[3];
const plugins = {
  stat: ['Stat', false],
  table: ['Table', false],
  timeseries: ['TimeSeries', true],
  'state-timeline': ['StateTimeline', true],
};
// The older line has files, the newer one names for them.
const ending = schema.endsWith('-11') ? '.d.ts' : '';
const literal = (value) => JSON.stringify(value, null, 1);

console.log(`import type { Dashboard, Panel, RowPanel, TableFieldOptions } from '${schema}';`);
// Enums are told by their values, as in JSON.
console.log(
  'type Plain<T> = T extends string ? `${T}` : T extends (infer U)[] ? Plain<U>[]' +
    ' : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;'
);
for (const type of new Set(panels.map((panel) => panel.type))) {
  if (type === 'row') continue;
  const [name] = plugins[type];
  const folder = type.replace('-', '');
  const path = `raw/composable/${folder}/panelcfg/x/${name}PanelCfg_types.gen`;
  console.log(`import type * as ${name} from '${schema}/dist/esm/${path}${ending}';`);
}
console.log(`export const dashboard: Plain<Omit<Dashboard, 'panels'>> = ${literal(rest)};`);
panels.forEach(({ options, ...panel }, index) => {
  if (panel.type === 'row') {
    console.log(`export const row${index}: Plain<RowPanel> = ${literal(panel)};`);
    return;
  }
  const [name, own] = plugins[panel.type];
  const { custom } = panel.fieldConfig.defaults;
  console.log(`export const panel${index}: Plain<Panel> = ${literal(panel)};`);
  console.log(`export const options${index}: Plain<Partial<${name}.Options>> = ${literal(options)};`);
  if (custom) {
    const type = own ? `${name}.FieldConfig` : 'TableFieldOptions';
    console.log(`export const custom${index}: Plain<Partial<${type}>> = ${literal(custom)};`);
  }
});
