import { z } from 'zod';
import type { Tool } from '../model/model.ts';
import type { Workspace } from './workspace.ts';

/** Reading, for every step. */
export function readTools(workspace: Workspace): Tool[] {
  return [
    tool({
      name: 'list_files',
      description: 'Lists the paths of all files of the workspace.',
      input: z.object({}),
      run: async () => (await workspace.list()).join('\n') || '(empty)',
    }),
    tool({
      name: 'read_file',
      description: 'Returns the text of one file of the workspace.',
      input: z.object({ path: z.string().min(1) }),
      run: ({ path }) => workspace.read(path),
    }),
  ];
}

/** Writing, for the step that makes the files. `written` is told the name of each. */
export function writeTools(workspace: Workspace, written: (path: string) => Promise<void>): Tool[] {
  return [
    tool({
      name: 'write_file',
      description: 'Creates or replaces one file of the workspace with the whole text given.',
      input: z.object({ path: z.string().min(1), text: z.string() }),
      run: async ({ path, text }) => {
        const name = await workspace.write(path, text);
        await written(name);
        return `wrote ${name}, ${text.split('\n').length} lines`;
      },
    }),
  ];
}

function tool<Input>(definition: Tool<Input>): Tool {
  return definition as Tool; // the caller parses with `input` before it calls `run`
}
