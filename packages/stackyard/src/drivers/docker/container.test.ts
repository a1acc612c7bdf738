import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { DriverContext } from '../../driver.ts';
import { Container } from './container.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'stackyard container '));
  mkdirSync(path.join(root, 'logs'));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A container of an engine that answers `docker container inspect` with this state. */
function container(state: object, spawn: () => Promise<never>): Container {
  const raw = {
    State: { Status: 'exited', Running: false, Restarting: false, FinishedAt: '2026', ExitCode: 1, ...state },
    HostConfig: { RestartPolicy: { Name: 'no' } },
    NetworkSettings: { Ports: {} },
  };
  writeFileSync(path.join(root, 'docker'), `#!/bin/sh\necho '${JSON.stringify([raw])}'\n`);
  chmodSync(path.join(root, 'docker'), 0o755);
  const context = {
    stack: {
      variant: { name: 'shop', stateDirectory: root },
      model: { services: { db: { image: 'postgres:17' } } },
      environment: { PATH: root },
      ports: {},
    },
    spawn,
  };
  return new Container('db', 'id', context as unknown as DriverContext);
}

const event = (action: string) => ({ action, id: 'id', service: 'db', exitCode: 1, time: '1.0' });

const nothing = () => Promise.reject(new Error('docker cannot be started'));

test('a container that ends by itself has ended', async () => {
  const db = container({}, nothing);
  await db.hear(event('die'));
  expect(await db.exited).toEqual({ code: 1, signal: null });
});

test('one that is restarted by hand goes on, and a log that cannot be followed again is an error of the listener', async () => {
  const db = container({}, nothing);
  await db.hear(event('kill'));
  const died = db.hear(event('die'));
  await expect(db.hear(event('start'))).rejects.toThrow('docker cannot be started');
  await died;
  db.lose(new Error('its log is lost'));
  expect(await db.exited).toEqual({ code: null, signal: null, reason: 'its log is lost' });
});
