import { appendFile, mkdir, readFile, rename, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Transcript, TranscriptEntry } from '../model/model.ts';
import { hiddenFolder, type Workspace } from './workspace.ts';

/**
 * The messages of one session as JSON lines in the hidden folder of the workspace. It goes on from those of the session
 * before it, where that one ran here too: messages of an older one would speak of files that others have changed since.
 * Lines from the first on that a crash cut off are dropped, from the file as well: what is appended later must not join
 * them.
 */
export function fileTranscript(
  workspace: Workspace,
  step: string,
  session: { readonly id: string; readonly previous: string | null },
): Transcript {
  const fileOf = (id: string) => join(workspace.directory, hiddenFolder, `${step}.${id}.jsonl`);
  const file = fileOf(session.id);
  return {
    async load() {
      if (session.previous !== null) await rename(fileOf(session.previous), file).catch(() => {});
      const text = await readFile(file, 'utf8').catch(() => '');
      const entries: TranscriptEntry[] = [];
      let sound = 0;
      for (const line of text.split('\n').slice(0, -1)) {
        const entry = parse(line);
        if (entry === undefined) break;
        entries.push(entry);
        sound += Buffer.byteLength(line) + 1;
      }
      if (sound < Buffer.byteLength(text)) await truncate(file, sound);
      return entries;
    },
    async append(entry) {
      await mkdir(dirname(file), { recursive: true });
      await appendFile(file, `${JSON.stringify(entry)}\n`);
    },
  };
}

function parse(line: string): TranscriptEntry | undefined {
  try {
    return JSON.parse(line) as TranscriptEntry;
  } catch {
    return undefined;
  }
}
