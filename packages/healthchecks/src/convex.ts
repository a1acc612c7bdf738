import { http } from './http.ts';
import type { Probe } from './probe.ts';

/**
 * Ready when a Convex backend tells its version on `/version`. A fresh self-hosted install answers `unknown`, which is
 * as good as any other.
 */
export function convex(url: string | URL): Probe {
  const base = String(url).replace(/\/+$/, '');
  // A page of HTML comes from a proxy or another application on the port.
  return http(`${base}/version`, { expectBody: (body) => /^[^\s<{]+\s*$/.test(body) });
}
