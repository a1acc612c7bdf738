import { isIP } from 'node:net';
import { composeError, type Place } from './errors.ts';

export interface PortSpec {
  readonly hostIp?: string;
  readonly target: number;
  readonly published?: string;
  readonly protocol: string;
}

/**
 * The short form `[[ip:][host]:]container[/protocol]` of published ports; a range gives one entry for each port.
 *
 * @throws ComposeError COMPOSE_VALUE for what is not such a form, ports over 65535 and ranges of unequal length.
 */
export function parsePorts(spec: string, at: Place): PortSpec[] {
  const fail = (why: string) =>
    composeError(
      'COMPOSE_VALUE',
      `invalid port "${spec}": ${why}`,
      at,
      'write host:container or ip:host:container',
    );
  const parts = splitSpec(spec);
  if (parts === undefined) throw fail('it has more than one /');
  const { ip, host, container, protocol } = parts;
  if (ip !== '' && isIP(ip) === 0) throw fail(`${ip} is not an IP address`);
  if (!['tcp', 'udp', 'sctp'].includes(protocol))
    throw fail(`the protocol ${protocol} is not tcp, udp or sctp`);
  const targets = range(container);
  if (targets === undefined)
    throw fail(`${container === '' ? 'nothing' : container} is not a container port`);
  const published = host === '' ? undefined : range(host);
  if (host !== '' && published === undefined) throw fail(`${host} is not a port of the host`);
  const [first, last] = targets;
  const size = last - first;
  if (published !== undefined && published[1] - published[0] !== size && size !== 0) {
    throw fail('the two ranges differ in length');
  }
  const specs = Array.from({ length: size + 1 }, (_, offset) => ({
    ...(ip === '' ? {} : { hostIp: ip }),
    target: first + offset,
    ...(published === undefined
      ? {}
      : { published: size === 0 ? showRange(published) : String(published[0] + offset) }),
    protocol,
  }));
  return specs.sort((a, b) => (`${a.target}/` < `${b.target}/` ? -1 : 1));
}

function splitSpec(
  spec: string,
): { ip: string; host: string; container: string; protocol: string } | undefined {
  const [address, protocol = 'tcp', ...more] = spec.split('/');
  if (address === undefined || more.length > 0) return undefined;
  const parts = address.split(':');
  const container = parts.pop() as string;
  const host = parts.pop() ?? '';
  const ip = parts.join(':').replace(/^\[(.*)\]$/, '$1');
  return { ip, host, container, protocol: protocol.toLowerCase() };
}

function range(text: string): [number, number] | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return last > 65535 || first > last ? undefined : [first, last];
}

const showRange = ([first, last]: [number, number]): string =>
  first === last ? `${first}` : `${first}-${last}`;
