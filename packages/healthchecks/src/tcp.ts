import type { Probe } from './probe.ts';
import { withSocket } from './socket.ts';

export interface TcpTarget {
  /** 127.0.0.1 unless told. */
  readonly host?: string | undefined;
  readonly port: number;
}

/** Ready when a TCP connection is accepted. Says nothing about what listens: prefer a probe of the protocol. */
export function tcp({ host = '127.0.0.1', port }: TcpTarget): Probe {
  return (signal) => withSocket({ host, port }, signal, async () => {});
}
