import { isIP } from 'node:net';
import type { Problems } from './errors.ts';
import { entriesOf, entry, itemsOf, type MapNode, type Node, text } from './node.ts';

interface Subject {
  readonly name: string;
  readonly service: Node;
  readonly services: Node | undefined;
  /** Adds a problem with the value of the service. */
  readonly refuse: (message: string, at: Node | undefined, hint: string) => void;
}

/** Collects what no service can have at once, and what makes no sense together. */
export function checkConsistency(document: MapNode, problems: Problems): void {
  const services = entry(document, 'services');
  for (const [name, service] of entriesOf(services)) {
    const refuse: Subject['refuse'] = (message, node, hint) =>
      problems.add('COMPOSE_VALUE', `service ${name} ${message}`, (node ?? service).at, hint);
    for (const check of CHECKS) check({ name, service, services, refuse });
  }
}

const CHECKS: readonly ((subject: Subject) => void)[] = [
  function source({ service, refuse }) {
    if (['image', 'build', 'provider'].some((field) => entry(service, field) !== undefined)) return;
    refuse('has neither an image nor a build context', service, 'add `image:` or `build:`');
  },

  function build({ service, services, refuse }) {
    const build = entry(service, 'build');
    if (entry(build, 'dockerfile') !== undefined && entry(build, 'dockerfile_inline') !== undefined) {
      refuse('declares both dockerfile and dockerfile_inline', build, 'remove one of them');
    }
    const platform = entry(service, 'platform');
    const platforms = itemsOf(entry(build, 'platforms')).map(text);
    if (platform !== undefined && platforms.length > 0 && !platforms.includes(text(platform))) {
      refuse(`is not built for its platform ${text(platform)}`, platform, 'add it to build.platforms');
    }
    for (const [, context] of entriesOf(entry(build, 'additional_contexts'))) {
      const other = /^service:(.+)$/.exec(text(context) ?? '')?.[1];
      if (other === undefined || entry(entry(services, other), 'build') !== undefined) continue;
      refuse(
        `takes the context of service ${other}, which is not built`,
        context,
        'name a service with `build:`',
      );
    }
  },

  function networkMode({ service, refuse }) {
    const mode = entry(service, 'network_mode');
    const joined = entriesOf(entry(service, 'networks')).filter(([, network]) => network.at !== service.at);
    if (mode === undefined || joined.length === 0) return;
    refuse('declares both network_mode and networks, which exclude each other', mode, 'remove one of them');
  },

  function healthcheck({ service, refuse }) {
    const test = entry(entry(service, 'healthcheck'), 'test');
    const [kind] = itemsOf(test);
    if (kind === undefined || ['CMD', 'CMD-SHELL', 'NONE'].includes(text(kind) ?? '')) return;
    refuse(
      'has a healthcheck.test that starts neither with CMD, CMD-SHELL nor NONE',
      test,
      'begin with "CMD"',
    );
  },

  function copies({ service, refuse }) {
    const scale = entry(service, 'scale');
    const replicas = entry(entry(service, 'deploy'), 'replicas');
    if (scale !== undefined && replicas !== undefined && text(scale) !== text(replicas)) {
      refuse(
        `sets scale to ${text(scale)} and deploy.replicas to ${text(replicas)}`,
        scale,
        'keep one of them',
      );
    }
    const copies = Number(text(scale) ?? text(replicas) ?? 1);
    if (copies < 0) refuse(`runs ${copies} times`, scale ?? replicas, 'write 0 or more');
    const container = entry(service, 'container_name');
    if (container === undefined || copies <= 1) return;
    refuse(
      `has a container_name and runs ${copies} times`,
      container,
      'remove container_name: names are unique',
    );
  },

  function limits({ service, refuse }) {
    const resources = entry(entry(service, 'deploy'), 'resources');
    for (const [field, kind, limit] of [
      ['cpus', 'limits', 'cpus'],
      ['mem_limit', 'limits', 'memory'],
      ['pids_limit', 'limits', 'pids'],
      ['mem_reservation', 'reservations', 'memory'],
    ] as const) {
      const own = entry(service, field);
      const group = entry(resources, kind);
      if (own === undefined || Number(text(own)) === 0 || group === undefined) continue;
      if (Number(text(own)) === Number(text(entry(group, limit)) ?? 0)) continue;
      refuse(`sets ${field} and another deploy.resources.${kind}.${limit}`, own, 'keep one of them');
    }
  },

  function watch({ service, refuse }) {
    for (const rule of itemsOf(entry(entry(service, 'develop'), 'watch'))) {
      const action = text(entry(rule, 'action')) ?? '';
      if (text(entry(rule, 'path')) === '') refuse('watches an empty path', rule, 'write a path');
      if (entry(rule, 'target') !== undefined || ['rebuild', 'restart'].includes(action)) continue;
      refuse(`has a develop.watch with the action ${action} and no target`, rule, 'add `target:`');
    }
  },

  function mounts({ service, refuse }) {
    const targets = new Set<string>();
    const mount = (target: string, at: Node) => {
      if (targets.has(target)) refuse(`mounts ${target} twice`, at, 'keep one of them');
      targets.add(target);
    };
    for (const item of itemsOf(entry(service, 'tmpfs')))
      mount((text(item) ?? '').split(':', 1)[0] as string, item);
    for (const item of itemsOf(entry(service, 'volumes'))) {
      mount(text(entry(item, 'target')) ?? '', item);
      if (text(entry(item, 'type')) === 'bind' && !text(entry(item, 'source')))
        refuse('has a bind mount without a source', item, 'add `source:`');
    }
  },

  function addresses({ service, refuse }) {
    for (const port of itemsOf(entry(service, 'ports'))) {
      const ip = text(entry(port, 'host_ip'));
      if (ip !== undefined && isIP(ip) === 0) {
        refuse(`publishes a port on ${JSON.stringify(ip)}, which is not an IP address`, port, 'correct it');
      }
    }
  },

  function devices({ service, refuse }) {
    const resources = entry(entry(service, 'deploy'), 'resources');
    const reserved = entry(entry(resources, 'reservations'), 'devices');
    for (const request of itemsOf(reserved)) {
      if (entry(request, 'capabilities') === undefined)
        refuse('reserves devices without capabilities', request, 'add `capabilities: [gpu]`');
    }
    for (const request of [...itemsOf(reserved), ...itemsOf(entry(service, 'gpus'))]) {
      if (entry(request, 'count') === undefined || entry(request, 'device_ids') === undefined) continue;
      refuse('asks for devices by count and by device_ids', request, 'keep one of them');
    }
  },
];
