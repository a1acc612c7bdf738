import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findTools, older } from './tool.ts';

let bin: string;

beforeEach(() => {
  bin = mkdtempSync(path.join(tmpdir(), 'stackyard tools '));
});

afterEach(() => rmSync(bin, { recursive: true, force: true }));

/** A program that answers as a Docker tool would. */
function program(name: string, script: string): void {
  writeFileSync(path.join(bin, name), `#!/bin/sh\n${script}\n`);
  chmodSync(path.join(bin, name), 0o755);
}

const find = () => findTools({ PATH: bin });

const engine = 'case "$1" in version) echo 24.0.7 ;; *) exit 1 ;; esac';

describe('the tools of the docker driver', () => {
  test('are missing where there is no docker on the PATH', async () => {
    await expect(find()).rejects.toMatchObject({
      code: 'STACKYARD_DOCKER_MISSING',
      hint: expect.stringContaining('--driver embedded'),
    });
  });

  test('are missing where there is an engine and no Compose', async () => {
    program('docker', engine);
    await expect(find()).rejects.toMatchObject({
      code: 'STACKYARD_DOCKER_MISSING',
      message: expect.stringContaining('neither "docker compose" nor docker-compose'),
    });
  });

  test('do not answer when the engine does not run', async () => {
    program(
      'docker',
      'echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock." >&2; exit 1',
    );
    await expect(find()).rejects.toMatchObject({
      code: 'STACKYARD_DOCKER_DOWN',
      details: ['Cannot connect to the Docker daemon at unix:///var/run/docker.sock.'],
    });
  });

  test('refuse a user without rights', async () => {
    program('docker', 'echo "permission denied while trying to connect to the Docker daemon" >&2; exit 1');
    await expect(find()).rejects.toMatchObject({
      code: 'STACKYARD_DOCKER_PERMISSION',
      hint: expect.stringContaining('usermod -aG docker'),
    });
  });

  test('refuse an engine or a Compose that is too old, with its version', async () => {
    program('docker', 'case "$1" in version) echo 19.03.8 ;; *) exit 1 ;; esac');
    await expect(find()).rejects.toMatchObject({
      code: 'STACKYARD_DOCKER_OLD',
      message: 'the Docker engine is 19.03.8; 20.10 or later is needed',
    });
    program('docker', engine);
    program('docker-compose', 'echo 1.25.0');
    await expect(find()).rejects.toMatchObject({
      code: 'STACKYARD_DOCKER_OLD',
      message: 'docker-compose is 1.25.0; 1.29 or later is needed',
    });
  });

  test('are the plugin where it is there, else docker-compose', async () => {
    program('docker', engine);
    program('docker-compose', 'echo 1.29.2');
    expect(await find()).toEqual({
      engine: '24.0.7',
      compose: { program: 'docker-compose', prefix: [], version: '1.29.2' },
    });
    program('docker', 'case "$1" in version) echo 27.1.0+dfsg ;; compose) echo v2.29.1 ;; esac');
    expect(await find()).toEqual({
      engine: '27.1.0+dfsg',
      compose: { program: 'docker', prefix: ['compose'], version: '2.29.1' },
    });
  });

  test('compare versions number by number', () => {
    expect(older('20.10.24+dfsg1', '20.10')).toBe(false);
    expect(older('19.03.15', '20.10')).toBe(true);
    expect(older('1.9', '1.29')).toBe(true);
    expect(older('28.0.1', '20.10')).toBe(false);
  });
});
