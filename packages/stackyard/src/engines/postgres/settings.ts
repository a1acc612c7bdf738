import type { EngineContext } from '../../engine.ts';
import { EngineError } from '../engine-error.ts';

/**
 * The server parameters that a service asks for: in its `command`, as for the image (`postgres -c name=value`), and
 * in `x-embedded.settings`.
 *
 * @throws EngineError when the command is another one, or the image is of another major version.
 */
export function requestedSettings(
  context: Pick<EngineContext, 'serviceName' | 'service' | 'options'>,
  version: string,
): Record<string, string> {
  const problems: string[] = [];
  const { image, command } = context.service;
  const wanted = /^(?:.*\/)?postgres:(\d+)/.exec(image ?? '')?.[1];
  const major = version.split('.', 1)[0];
  if (wanted !== undefined && wanted !== major) {
    problems.push(`the image is PostgreSQL ${wanted}, and the embedded engine is ${version}`);
  }
  const settings: Record<string, string> = {};
  const args = [...(command ?? [])];
  if (args[0] === 'postgres') args.shift();
  while (args.length > 0) {
    const arg = args.shift() as string;
    const long = /^--([^=]+)=(.*)$/s.exec(arg);
    const short =
      long ?? /^([^=]+)=(.*)$/s.exec(arg === '-c' ? (args.shift() ?? '') : arg.replace(/^-c(?=.)/, ''));
    if (!short || (!long && !arg.startsWith('-c'))) {
      problems.push(`command: ${arg} is not understood; only \`postgres -c name=value\` is`);
      continue;
    }
    settings[(short[1] as string).replaceAll('-', '_')] = short[2] as string;
  }
  for (const [name, value] of Object.entries(context.options.settings ?? {})) settings[name] = String(value);
  for (const name of ['port', 'listen_addresses', 'data_directory']) {
    if (name in settings) problems.push(`${name} is for Stackyard to decide: publish a port instead`);
  }
  if (problems.length > 0) {
    throw new EngineError(
      'ENGINE_SERVICE',
      `Service ${context.serviceName}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
      'Change the service in the Compose files, or use `--driver docker`.',
    );
  }
  return settings;
}
