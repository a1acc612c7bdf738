import { writeSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { memoryMarker } from './protocol.ts';

// A thread beside the parser, for the two things that a busy parser cannot see to itself: memory outside the
// JavaScript heap, and the end of the parent.
const { memoryBytes, parent } = workerData as { memoryBytes: number; parent: number };

setInterval(() => {
  if (process.memoryUsage.rss() > memoryBytes) {
    writeSync(2, `${memoryMarker}\n`);
    process.kill(process.pid, 'SIGKILL');
  }
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
}, 100);
