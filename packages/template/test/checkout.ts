import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { ComposeFile } from '@stackyard/compose';
import { planVariant } from '../src/index.ts';

/** This repository. */
export const repository = resolve(import.meta.dirname, '../../..');

/** A checkout with the base of the Compose files, and nothing in it but new variants. */
export class Checkout implements Disposable {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'stackyard-variants-')));

  constructor(variants: readonly string[]) {
    mkdirSync(join(this.root, 'infra'));
    cpSync(join(repository, 'infra/compose.yaml'), this.file('infra/compose.yaml'));
    this.write('package.json', '{ "license": "MIT" }\n');
    for (const name of variants) {
      for (const [file, text] of planVariant(this.root, name).files) this.write(file, text);
    }
  }

  file(path: string): string {
    return join(this.root, path);
  }

  read(path: string): string {
    return readFileSync(this.file(path), 'utf8');
  }

  write(path: string, text: string): void {
    mkdirSync(dirname(this.file(path)), { recursive: true });
    writeFileSync(this.file(path), text);
  }

  executable(path: string): void {
    chmodSync(this.file(path), 0o755);
  }

  /** The Compose files of a variant; with `content`, its own as it would become. */
  filesWith(variant: string, content?: string): ComposeFile[] {
    const own = this.file(`apps/${variant}/compose.yaml`);
    return [this.file('infra/compose.yaml'), content === undefined ? own : { path: own, content }];
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

export const checkout = (...variants: string[]): Checkout => new Checkout(variants);
