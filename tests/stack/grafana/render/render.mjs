// node render.mjs JOBS.json: draws dashboards into PNG files. Each job: dashboard, prometheus, from,
// to, variables, width, and the picture to write.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const here = new URL('.', import.meta.url).pathname;
const jobs = JSON.parse(await readFile(process.argv[2], 'utf8'));
const { outputFiles } = await build({
  entryPoints: [`${here}page.jsx`],
  bundle: true,
  write: false,
  outdir: 'out',
  jsx: 'automatic',
  alias: { 'react-custom-scrollbars-2': `${here}scrollbars.js` },
  define: { global: 'window', 'process.env.NODE_ENV': '"production"' },
  loader: { '.svg': 'dataurl', '.woff': 'dataurl', '.woff2': 'dataurl', '.ttf': 'dataurl' },
  logLevel: 'error',
});
const [script, style] = ['.js', '.css'].map((end) => outputFiles.find(({ path }) => path.endsWith(end)));

const server = createServer((_, answer) => {
  answer.setHeader('Content-Type', 'text/html; charset=utf-8');
  answer.end('<!doctype html><html><body><div id="root"></div></body></html>');
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-sync', '--no-first-run'],
});
try {
  for (const { picture, ...input } of jobs) {
    const page = await browser.newPage({ viewport: { width: input.width, height: 1000 } });
    const complaints = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.evaluate((value) => { window.input = value; }, input);
    await page.addStyleTag({ content: style?.text ?? '' });
    await page.addScriptTag({ content: script.text });
    await page.waitForFunction('window.drawn || window.failed', undefined, { timeout: 60000 });
    const failed = await page.evaluate('window.failed');
    if (failed || complaints.length) throw new Error([failed, ...complaints].join('\n'));
    await page.locator('#dashboard').screenshot({ path: picture });
    await page.close();
  }
} finally {
  await browser.close();
  server.close();
}
