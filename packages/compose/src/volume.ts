import { composeError, type Place } from './errors.ts';

/** The short form `[source:]target[:options]` of a mount, taken apart. */
export interface VolumeSpec {
  readonly type: 'bind' | 'volume';
  readonly source?: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly nocopy: boolean;
  readonly propagation?: string;
  readonly selinux?: string;
}

const PROPAGATIONS = new Set(['rprivate', 'private', 'rshared', 'shared', 'rslave', 'slave']);

/** @throws ComposeError COMPOSE_VALUE when a part is empty or there are too many of them. */
export function parseVolume(spec: string, at: Place): VolumeSpec {
  const fail = (why: string) =>
    composeError(
      'COMPOSE_VALUE',
      `invalid volume "${spec}": ${why}`,
      at,
      'write source:target or source:target:ro',
    );
  if (spec === '') throw fail('it is empty');
  if (spec.length <= 2) return { type: 'volume', target: spec, readOnly: false, nocopy: false };
  const parts = splitColons(spec);
  if (parts.some((part) => part === '')) throw fail('a part between colons is empty');
  if (parts.length > 3) throw fail('it has too many colons');
  const [source, target, options = ''] = parts.length === 1 ? [undefined, parts[0]] : parts;
  const flags = options.split(',');
  return {
    type: source !== undefined && isHostPath(source) ? 'bind' : 'volume',
    ...(source === undefined ? {} : { source }),
    target: target as string,
    readOnly: flags.lastIndexOf('ro') > flags.lastIndexOf('rw'),
    nocopy: flags.includes('nocopy'),
    ...pick(
      'propagation',
      flags.findLast((flag) => PROPAGATIONS.has(flag)),
    ),
    ...pick(
      'selinux',
      flags.findLast((flag) => flag === 'z' || flag === 'Z'),
    ),
  };
}

function pick<K extends string>(key: K, value: string | undefined): Partial<Record<K, string>> {
  return value === undefined ? {} : ({ [key]: value } as Record<K, string>);
}

/** A colon separates, except the one after a drive letter and those inside `${...}`. */
function splitColons(spec: string): string[] {
  const parts: string[] = [];
  let part = '';
  let braces = 0;
  for (let index = 0; index < spec.length; index += 1) {
    const character = spec[index] as string;
    if (character === '$' && spec[index + 1] === '{') braces += 1;
    if (character === '}' && braces > 0) braces -= 1;
    if (character === ':' && braces === 0 && !/^[a-zA-Z]$/.test(part)) {
      parts.push(part);
      part = '';
    } else {
      part += character;
    }
  }
  parts.push(part);
  return parts;
}

/** Whether the source of a mount is a path of the host, not the name of a volume. */
export const isHostPath = (source: string): boolean => /^([./~]|\\\\|[a-zA-Z]:)/.test(source);
