import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { decodeFields, encodeField, secondsOf, textOf } from './protobuf.ts';

/** What an admin key says, in the order of the fields of its protobuf message. */
export interface KeyMessage {
  /** Field 1. Older keys have none. */
  readonly instanceName?: string | undefined;
  /** Field 2, seconds since 1970; never 0. */
  readonly issuedAtSeconds: number;
  /** Field 3 for a member, field 4 for the system itself. */
  readonly identity: KeyIdentity;
  /** Field 5. */
  readonly readOnly: boolean;
}

export type KeyIdentity =
  | { readonly kind: 'member'; readonly memberId: bigint }
  | { readonly kind: 'system' };

export function encodeKeyMessage({
  instanceName,
  issuedAtSeconds,
  identity,
  readOnly,
}: KeyMessage): Uint8Array {
  return concatBytes(
    ...(instanceName === undefined ? [] : [encodeField(1, utf8ToBytes(instanceName))]),
    encodeField(2, BigInt(issuedAtSeconds)),
    identity.kind === 'member' ? encodeField(3, identity.memberId) : encodeField(4, new Uint8Array()),
    ...(readOnly ? [encodeField(5, 1n)] : []),
  );
}

/** Gives undefined when the bytes are no such message. Unknown fields are skipped, as protobuf demands. */
export function decodeKeyMessage(bytes: Uint8Array): KeyMessage | undefined {
  const fields = decodeFields(bytes);
  const issuedAtSeconds = secondsOf(fields?.get(2));
  if (fields === undefined || issuedAtSeconds === undefined) return undefined;
  const instanceName = textOf(fields.get(1));
  if (instanceName === undefined && fields.has(1)) return undefined;
  const memberId = fields.get(3);
  const system = fields.get(4) instanceof Uint8Array;
  if (typeof memberId !== 'bigint' && !system) return undefined;
  return {
    instanceName,
    issuedAtSeconds,
    identity: typeof memberId === 'bigint' ? { kind: 'member', memberId } : { kind: 'system' },
    readOnly: typeof fields.get(5) === 'bigint' && fields.get(5) !== 0n,
  };
}
