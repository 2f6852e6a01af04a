// The package has no default export where @grafana/ui imports one.
export { Scrollbars as default } from './node_modules/react-custom-scrollbars-2/lib/index.js';
