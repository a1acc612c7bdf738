import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { requireInstanceName, secretToBytes } from './instance.ts';
import { type KeyFormat, openKey, sealKey } from './key-cipher.ts';
import { decodeKeyMessage, encodeKeyMessage, type KeyIdentity, type KeyMessage } from './key-message.ts';
import { SelfhostError } from './selfhost-error.ts';

/** What a backend runs with. Both must be the very ones: a data volume keeps the secret that it was made with. */
export interface Instance {
  readonly instanceName: string;
  /** 64 hexadecimal digits. */
  readonly instanceSecret: string;
}

export interface IssueOptions extends Instance {
  /** `secretbox` unless told: every known backend accepts it. */
  readonly format?: KeyFormat;
  /** The member that acts; 0 unless told, as the backend's own key generator has it. */
  readonly memberId?: bigint | number;
  /** A key that may look but not change anything, so not push code either. */
  readonly readOnly?: boolean;
  /** Now unless told. */
  readonly issuedAt?: Date;
}

/** Issues an admin key, `<instance name>|<hex>`, as the backend would, without asking it. */
export function issueAdminKey(options: IssueOptions): string {
  const { instanceName, instanceSecret, format = 'secretbox', memberId = 0, readOnly = false } = options;
  requireInstanceName(instanceName);
  const secret = secretToBytes(instanceSecret);
  const issuedAtSeconds = Math.floor((options.issuedAt ?? new Date()).getTime() / 1000);
  if (!(issuedAtSeconds > 0)) {
    throw new SelfhostError(
      'CONVEX_ADMIN_KEY_OPTIONS',
      'issuedAt is not a date after 1970.',
      'Leave it out for now.',
    );
  }
  if (!/^\d+$/.test(String(memberId)) || BigInt(memberId) >= 2n ** 64n) {
    throw new SelfhostError(
      'CONVEX_ADMIN_KEY_OPTIONS',
      'memberId is not a whole number.',
      'Leave it out for member 0.',
    );
  }
  const identity: KeyIdentity = { kind: 'member', memberId: BigInt(memberId) };
  const message = encodeKeyMessage({ issuedAtSeconds, identity, readOnly });
  return `${instanceName}|${bytesToHex(sealKey(format, 'admin key', secret, message))}`;
}

/** What a key that fits says about itself. */
export interface AdminKeyContent {
  readonly format: KeyFormat;
  readonly identity: KeyIdentity;
  readonly readOnly: boolean;
  readonly issuedAt: Date;
}

/**
 * - `valid`: a backend of this name and secret accepts the key;
 * - `read-only`: it accepts the key, but for reading alone: a push is refused;
 * - `other-instance-name`, `other-secret`: the two reasons behind BadAdminKey;
 * - `malformed`: no admin key, or one that was cut or changed;
 * - `expired-format`: in a format that the backend does not accept any more.
 */
export type AdminKeyVerdict =
  | 'valid'
  | 'read-only'
  | 'other-instance-name'
  | 'other-secret'
  | 'malformed'
  | 'expired-format';

export interface AdminKeyInspection {
  readonly verdict: AdminKeyVerdict;
  /** One sentence for people; holds nothing of the key but the name before the `|`. */
  readonly message: string;
  /** What to do; absent where nothing is to be done. */
  readonly fix?: string;
  /** Present when the key could be opened with the secret. */
  readonly content?: AdminKeyContent;
}

const reissue = 'Issue a key with the INSTANCE_NAME and INSTANCE_SECRET that the backend runs with.';
const copyAgain =
  'Copy the whole key again: <instance name>|<hexadecimal digits>, without quotes or line breaks.';

export interface InspectOptions extends Instance {
  /** The formats that the backend accepts; both unless told, as every known version since May 2025 does. */
  readonly formats?: readonly KeyFormat[];
}

/** Says whether a backend would accept the key, and why not. A deployment type in front (`prod:`) is left aside. */
export function inspectAdminKey(key: string, options: InspectOptions): AdminKeyInspection {
  const { instanceName, instanceSecret } = options;
  requireInstanceName(instanceName);
  const secret = secretToBytes(instanceSecret);
  const parts = splitAdminKey(key);
  if (!parts) return { verdict: 'malformed', message: 'The text is not an admin key.', fix: copyAgain };
  const opened = openKey('admin key', secret, parts.sealed);
  if (opened === 'too short')
    return { verdict: 'malformed', message: 'The admin key is cut off.', fix: copyAgain };
  if (opened === 'older version') {
    return {
      verdict: 'expired-format',
      message: 'The admin key has a format from before version 1.',
      fix: reissue,
    };
  }
  if (opened === 'unknown version') {
    const message = `The admin key has version ${parts.sealed[0]} of the format; 1 is the one in use.`;
    return { verdict: 'malformed', message, fix: `${copyAgain} If it is whole: ${reissue}` };
  }
  if (opened === 'other secret') return unopened(parts.instanceName, instanceName);
  const message = decodeKeyMessage(opened.message);
  if (!message) {
    return { verdict: 'malformed', message: 'The admin key opens but holds no key message.', fix: reissue };
  }
  return judge(parts.instanceName, message, opened.format, options);
}

function judge(
  outerName: string | undefined,
  message: KeyMessage,
  format: KeyFormat,
  { instanceName, formats = ['secretbox', 'gcm-siv'] }: InspectOptions,
): AdminKeyInspection {
  const { identity, readOnly } = message;
  const content = { format, identity, readOnly, issuedAt: new Date(message.issuedAtSeconds * 1000) };
  // As the backend has it: the name within counts only where none stands in front.
  const name = outerName ?? message.instanceName;
  if (name === undefined) {
    return { verdict: 'malformed', message: 'The admin key names no instance.', fix: copyAgain, content };
  }
  if (name !== instanceName) {
    return {
      verdict: 'other-instance-name',
      message: `The admin key is for the instance "${name}", the backend is "${instanceName}"; the secret fits.`,
      fix: reissue,
      content,
    };
  }
  if (!formats.includes(format)) {
    const text = `The admin key fits, but is in the format ${format}, which the backend does not accept.`;
    return {
      verdict: 'expired-format',
      message: text,
      fix: `${reissue} Use the format ${formats.join(' or ')}.`,
      content,
    };
  }
  if (readOnly) {
    return {
      verdict: 'read-only',
      message: 'The admin key may read but not change anything, so a push of functions is refused.',
      fix: 'Issue a key that is not read-only.',
      content,
    };
  }
  return { verdict: 'valid', message: `The admin key fits the instance "${instanceName}".`, content };
}

function unopened(outerName: string | undefined, instanceName: string): AdminKeyInspection {
  if (outerName !== undefined && outerName !== instanceName) {
    return {
      verdict: 'other-instance-name',
      message: `The admin key is for the instance "${outerName}", the backend is "${instanceName}"; the secret does not fit either.`,
      fix: reissue,
    };
  }
  return {
    verdict: 'other-secret',
    message: 'The admin key was issued with another instance secret, or was changed since.',
    fix: `${reissue} A data volume keeps the secret that it was made with, whatever the environment says.`,
  };
}

export interface AdminKeyParts {
  /** What stands before the name: `prod` of `prod:name|...`. */
  readonly deploymentType?: string;
  /** Absent on a key that was cut before the `|`; a backend then takes the name within the key, if there is one. */
  readonly instanceName?: string;
  readonly sealed: Uint8Array;
}

/** Takes a key apart; undefined when it does not have the outer form of one. */
export function splitAdminKey(key: string): AdminKeyParts | undefined {
  const match = /^(?:(?:(?<type>[A-Za-z-]+):)?(?<name>[A-Za-z0-9_-]+)\|)?(?<hex>(?:[0-9a-fA-F]{2})+)$/.exec(
    key.trim(),
  );
  if (!match?.groups) return undefined;
  const { type, name, hex } = match.groups as { type?: string; name?: string; hex: string };
  return {
    ...(type === undefined ? {} : { deploymentType: type }),
    ...(name === undefined ? {} : { instanceName: name }),
    sealed: hexToBytes(hex),
  };
}
