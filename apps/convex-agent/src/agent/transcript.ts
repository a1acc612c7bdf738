import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Transcript, TranscriptEntry } from '../model/model.ts';
import type { Workspace } from './workspace.ts';

/**
 * The messages of one step as JSON lines in the hidden folder `.sessions` of the workspace. A line that a crash cut off
 * is dropped.
 */
export function fileTranscript(workspace: Workspace, step: string): Transcript {
  const file = join(workspace.directory, '.sessions', `${step}.jsonl`);
  return {
    async load() {
      const text = await readFile(file, 'utf8').catch(() => '');
      return text
        .split('\n')
        .slice(0, -1) // what follows the last line end is empty, or half a line
        .map((line) => JSON.parse(line) as TranscriptEntry);
    },
    async append(entry) {
      await mkdir(dirname(file), { recursive: true });
      await appendFile(file, `${JSON.stringify(entry)}\n`);
    },
  };
}
