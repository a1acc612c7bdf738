import type { ScriptRecords, StackState } from '../state.ts';
import { formatDuration } from '../units.ts';
import { formatTable, type Paint } from './terminal.ts';

/** The table of a stack's services with what a person wants to know next. */
export function formatSummary(state: StackState, paint: Paint, scripts: ScriptRecords = {}): string {
  const entries = [...Object.entries(state.services), ...Object.entries(scripts)];
  const rows = entries.map(([name, record]) => [
    name,
    record.state,
    record.url ?? record.ports?.map((port) => `127.0.0.1:${port.host}`).join(' ') ?? '',
    record.source ?? '',
    record.startMs === undefined ? '' : formatDuration(record.startMs),
  ]);
  const lines = formatTable(
    [['SERVICE', 'STATE', 'URL', 'SOURCE', 'START'], ...rows],
    (text, row, column) => {
      if (row === 0) return paint('dim', text);
      if (column !== 1) return text;
      return paint(stateColours[entries[row - 1]![1].state] ?? 'dim', text);
    },
  );
  const ready = state.phase === 'ready' && state.readyMs !== undefined;
  const title = `${state.variant} is ${state.phase}${ready ? ` after ${formatDuration(state.readyMs)}` : ''}`;
  const slowest = slowestStart(state);
  const notes = [
    ...entries.flatMap(([name, { note }]) => (note === undefined ? [] : [`${name}: ${note}`])),
    ...state.notes,
  ];
  return [
    '',
    paint('bold', title) + (slowest ? paint('dim', `; slowest: ${slowest}`) : ''),
    '',
    ...lines.map((line) => `  ${line}`),
    ...(notes.length ? ['', ...notes.map((note) => `  ${note}`)] : []),
    '',
  ].join('\n');
}

const stateColours: Readonly<Record<string, 'green' | 'yellow' | 'red'>> = {
  healthy: 'green',
  completed: 'green',
  running: 'green',
  starting: 'yellow',
  waiting: 'yellow',
  failed: 'red',
};

function slowestStart(state: StackState): string | undefined {
  const started = Object.entries(state.services).filter(([, record]) => record.startMs !== undefined);
  const [slowest] = started.sort((a, b) => b[1].startMs! - a[1].startMs!);
  return slowest && `${slowest[0]}, ${formatDuration(slowest[1].startMs!)}`;
}
