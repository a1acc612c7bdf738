import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  statSync,
  watch,
} from 'node:fs';
import path from 'node:path';
import { StringDecoder } from 'node:string_decoder';

/** Where a stack keeps the output of a service or script. */
export function logFile(stateDirectory: string, name: string): string {
  return path.join(stateDirectory, 'logs', `${name.replaceAll(':', '-')}.log`);
}

/** Names of the services and scripts that have a log, sorted. */
export function listLogs(stateDirectory: string): string[] {
  const directory = path.join(stateDirectory, 'logs');
  if (!existsSync(directory)) return [];
  return readdirSync(directory)
    .filter((name) => name.endsWith('.log'))
    .map((name) => name.slice(0, -'.log'.length))
    .sort();
}

/** Starts a new log and keeps the one before as `<name>.log.1`. Returns a descriptor that only appends. */
export function openLog(stateDirectory: string, name: string): number {
  const file = logFile(stateDirectory, name);
  mkdirSync(path.dirname(file), { recursive: true });
  if (existsSync(file)) renameSync(file, `${file}.1`);
  return openSync(file, 'a', 0o640);
}

/** The last lines of a file; none when it does not exist. */
export function tail(file: string, count: number): string[] {
  return readTail(file, count).lines;
}

function readTail(file: string, count: number): { lines: string[]; end: number } {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { lines: [], end: 0 };
  }
  try {
    const { size } = fstatSync(descriptor);
    const length = Math.min(size, Math.max(8192, count * 400));
    const buffer = Buffer.alloc(length);
    const read = readSync(descriptor, buffer, 0, length, size - length);
    const lines = buffer.toString('utf8', 0, read).split('\n');
    if (lines.at(-1) === '') lines.pop();
    return { lines: count === 0 ? [] : lines.slice(-count), end: size };
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Calls back for the last lines of a log and then for each new one, also across a restart of its service, until
 * the signal aborts.
 */
export function follow(
  file: string,
  count: number,
  callback: (line: string) => void,
  signal: AbortSignal,
): void {
  const first = readTail(file, count);
  for (const line of first.lines) callback(line);
  let position = first.end;
  let inode = inodeOf(file);
  let rest = '';
  let decoder = new StringDecoder('utf8');
  const read = () => {
    if (signal.aborted) return;
    let descriptor: number;
    try {
      descriptor = openSync(file, 'r');
    } catch {
      return; // not there yet, or just moved aside: the next look will find it
    }
    try {
      const now = fstatSync(descriptor).ino;
      if (now !== inode) {
        inode = now;
        position = 0;
        rest = '';
        decoder = new StringDecoder('utf8');
      }
      const buffer = Buffer.alloc(64 * 1024);
      for (let size = 1; size > 0; ) {
        size = readSync(descriptor, buffer, 0, buffer.length, position);
        position += size;
        const lines = (rest + decoder.write(buffer.subarray(0, size))).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) callback(line);
      }
    } finally {
      closeSync(descriptor);
    }
  };
  onChange(path.dirname(file), read, signal);
}

/** Calls back for each log of a stack, also for those that begin later, until the signal aborts. */
export function followNames(
  stateDirectory: string,
  callback: (name: string) => void,
  signal: AbortSignal,
): void {
  const known = new Set<string>();
  const look = () => {
    for (const name of listLogs(stateDirectory)) {
      if (known.has(name)) continue;
      known.add(name);
      callback(name);
    }
  };
  look();
  onChange(path.join(stateDirectory, 'logs'), look, signal);
}

/** Calls back when something in a folder changes. */
function onChange(directory: string, callback: () => void, signal: AbortSignal): void {
  mkdirSync(directory, { recursive: true });
  const watcher = watch(directory, callback);
  // Not every file system reports changes; a slow look now and then costs nothing.
  const timer = setInterval(callback, 1000);
  const stop = () => {
    watcher.close();
    clearInterval(timer);
  };
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
}

function inodeOf(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.ino;
}
