import { randomBytes } from 'node:crypto';

/** The 16 hex digits by which an error is found in the logs. */
export function newRequestId(): string {
  return randomBytes(8).toString('hex');
}

/** A function's error as a client sees it. */
export function publicMessage(requestId: string, message: string): string {
  return `[Request ID: ${requestId}] Server Error\n${message}`;
}
