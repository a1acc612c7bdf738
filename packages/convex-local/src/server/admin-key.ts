import { type Instance, inspectAdminKey } from '@stackyard/convex-selfhost';
import type { Identity } from '../engine/caller.ts';
import { RequestError } from '../engine/function-error.ts';
import { isObject, parseJson } from './http-body.ts';

/** What a key check found. */
export interface AdminKeyCheck {
  readonly valid: boolean;
  readonly readOnly?: boolean;
  /** Why a key was refused, for the server's log; never sent to a client. */
  readonly reason?: string;
}

/** Says whether an admin key belongs to this instance. */
export type CheckKey = (key: string) => AdminKeyCheck | Promise<AdminKeyCheck>;

/** Accepts the keys that were issued from this name and secret, as the backend does. */
export function keysIssuedFor(instance: Instance): CheckKey {
  return (key) => {
    const { verdict, message } = inspectAdminKey(key, instance);
    return {
      valid: verdict === 'valid' || verdict === 'read-only',
      readOnly: verdict === 'read-only',
      reason: message,
    };
  };
}

/** Takes the deployment type off that the CLI may put before a key: `prod:name|…`. */
export function bareKey(key: string): string {
  return key.replace(/^(?:prod|dev|preview|local):(?=[^|]*\|)/, '');
}

/** Splits `key:base64(identity)`, as clients send it that act for a user. A key may come without its name. */
export function splitAdminAuth(value: string): { key: string; actingAs: Identity | null } {
  const colon = value.indexOf(':', value.indexOf('|') + 1);
  if (colon === -1) return { key: value, actingAs: null };
  const attributes = parseJson(Buffer.from(value.slice(colon + 1), 'base64').toString('utf8'));
  if (!isObject(attributes)) throw new RequestError(400, 'BadJsonBody', 'The user to act for is no object.');
  return { key: value.slice(0, colon), actingAs: asIdentity(attributes) };
}

/** Completes the identity an admin acts under. */
export function asIdentity(attributes: Record<string, unknown>): Identity {
  const { subject = '', issuer = '', tokenIdentifier = `${issuer}|${subject}` } = attributes;
  return { ...attributes, subject, issuer, tokenIdentifier } as Identity;
}
