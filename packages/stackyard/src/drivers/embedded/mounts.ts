import path from 'node:path';
import type { Service } from '@stackyard/compose';
import type { Stack } from '../../driver.ts';

export interface HostMount {
  /** The path inside a container. */
  readonly target: string;
  /** Absolute path on this machine. */
  readonly path: string;
  readonly readOnly: boolean;
}

/** A service's mounts as folders of this machine; a named volume is a folder of `data/<variant>/`. */
export function mounts(stack: Stack, service: Service): HostMount[] {
  const { root, name } = stack.variant;
  return (service.volumes ?? []).flatMap((mount) => {
    if (mount.type !== 'bind' && mount.type !== 'volume') return [];
    if (mount.source === undefined) return [];
    const folder = mount.type === 'bind' ? mount.source : path.join(root, 'data', name, mount.source);
    return [{ target: mount.target, path: path.resolve(root, folder), readOnly: mount.read_only === true }];
  });
}
