// node look.mjs < JOBS.json > SEEN.json: opens pages in Chromium and says what is there. Each job:
// url, width, scheme (light or dark), and perhaps the picture to write.
import { readFileSync } from 'node:fs';
import { chromium } from 'playwright-core';

const jobs = JSON.parse(readFileSync(0, 'utf8'));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--disable-sync', '--no-first-run'],
});

// The lowest contrast of any text with what is behind it (WCAG 2.2, 1.4.3).
const contrast = () => {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const behind = (element) => {
    for (; element; element = element.parentElement) {
      const colour = parse(getComputedStyle(element).backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  let lowest = { ratio: 99, text: '' };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode.data.trim();
    const element = texts.currentNode.parentElement;
    if (!text) continue;
    const [a, b] = [parse(getComputedStyle(element).color), behind(element)].map(light);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < lowest.ratio) lowest = { ratio, text };
  }
  return lowest;
};

// The narrowest cell with a text, which would be broken letter by letter.
const narrowest = () => Math.min(...[...document.querySelectorAll('tbody th, tbody td')]
  .filter((cell) => cell.innerText.trim().length > 3)
  .map((cell) => cell.clientWidth));

const seen = [];
try {
  for (const { url, width, scheme, picture } of jobs) {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme: scheme });
    const complaints = [];
    const requests = [];
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('console', (message) => complaints.push(message.text()));
    page.on('request', (request) => requests.push(request.url()));
    await page.goto(url, { waitUntil: 'networkidle' });
    const focus = [];
    for (let i = 0; i < 5; i += 1) {
      await page.keyboard.press('Tab');
      focus.push(await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
        return [document.activeElement.textContent.trim(), outlineStyle, parseFloat(outlineWidth)];
      }));
    }
    await page.evaluate(() => document.activeElement.blur());
    if (picture) await page.screenshot({ path: picture });
    seen.push({
      title: await page.title(),
      text: await page.innerText('body'),
      tree: await page.locator('body').ariaSnapshot(),
      headings: await page.getByRole('heading', { level: 1 }).count(),
      landmarks: await Promise.all(['banner', 'main', 'contentinfo', 'search'].map((role) => page.getByRole(role).count())),
      tables: await page.getByRole('table').count(),
      columns: await page.getByRole('columnheader').allInnerTexts(),
      scripts: await page.locator('script').count(),
      background: await page.evaluate(() => getComputedStyle(document.body).backgroundColor),
      widths: await page.evaluate(() => [document.documentElement.scrollWidth, window.innerWidth]),
      contrast: await page.evaluate(contrast),
      narrowest: await page.evaluate(narrowest),
      complaints, requests, focus,
    });
    await page.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
