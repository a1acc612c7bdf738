import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { onTestFinished } from 'vitest';

/** No Chromium on this machine. */
export class BrowserError extends Error {
  override readonly name = 'BrowserError';
  readonly code = 'TESTING_NO_BROWSER';
  readonly hint =
    'Install Chromium (Debian: apt-get install chromium), or set CHROMIUM to the path of a Chrome or Chromium.';
}

export interface PageOptions {
  readonly colorScheme?: 'light' | 'dark';
  readonly viewport?: { readonly width: number; readonly height: number };
}

export interface TestPage {
  readonly page: Page;
  /** What the page wrote to its console as errors, and the exceptions that nobody caught. */
  readonly errors: readonly string[];
}

/**
 * A page of a real Chromium, closed when the test ends.
 *
 * @throws BrowserError when the machine has none
 */
export async function openPage(options: PageOptions = {}): Promise<TestPage> {
  const browser = await launch();
  onTestFinished(() => browser.close());
  const page = await browser.newPage({ colorScheme: 'light', ...options });
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text());
  });
  return { page, errors };
}

async function launch(): Promise<Browser> {
  return await chromium.launch({
    executablePath: await executable(),
    // A container's root has no sandbox to enter; the rest keeps the browser from calling home.
    args: [
      ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

async function executable(): Promise<string> {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const folders = (process.env.PATH ?? '').split(delimiter);
  const candidates = process.env.CHROMIUM
    ? [process.env.CHROMIUM]
    : names.flatMap((name) => folders.map((folder) => join(folder, name)));
  for (const candidate of candidates) {
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  throw new BrowserError(`No Chromium was found. ${new BrowserError().hint}`);
}
