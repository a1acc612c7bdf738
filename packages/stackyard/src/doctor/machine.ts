import { accessSync, constants, statfsSync } from 'node:fs';
import { freemem, totalmem } from 'node:os';
import { formatBytes } from '../units.ts';
import type { Check } from './index.ts';

const oldestNode = 24;
const littleDisk = 1e9;
const littleMemory = 512e6;

export function checkMachine(root: string): Check[] {
  return [checkNode(), checkRoot(root), checkDisk('disk', root), checkMemory()];
}

function checkNode(): Check {
  const { version } = process;
  if (Number.parseInt(version.slice(1), 10) >= oldestNode)
    return { subject: 'node', result: 'ok', message: version };
  return {
    subject: 'node',
    result: 'failure',
    message: `${version} cannot run this: Node ${oldestNode} or later is needed`,
    fix: 'call ./pnpmw instead of pnpm: it brings its own Node',
  };
}

function checkRoot(root: string): Check {
  try {
    accessSync(root, constants.W_OK);
    return { subject: 'checkout', result: 'ok', message: root };
  } catch {
    return {
      subject: 'checkout',
      result: 'failure',
      message: `${root} cannot be written to`,
      fix: `give it to this user (chown -R), or clone it again as this user`,
    };
  }
}

export function checkDisk(subject: string, folder: string): Check {
  const { bavail, bsize } = statfsSync(folder);
  const free = bavail * bsize;
  const message = `${formatBytes(free)} free`;
  if (free >= littleDisk) return { subject, result: 'ok', message };
  return {
    subject,
    result: 'warning',
    message,
    fix: 'free some space: a database stops when its disk is full',
  };
}

function checkMemory(): Check {
  const message = `${formatBytes(totalmem())}, ${formatBytes(freemem())} of it unused`;
  if (totalmem() >= littleMemory) return { subject: 'memory', result: 'ok', message };
  return {
    subject: 'memory',
    result: 'warning',
    message,
    fix: 'close other programs before starting several variants',
  };
}
