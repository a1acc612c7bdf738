import type { z } from 'zod';
import type { EnvProblem } from './env-error.ts';
import { maskUrlPasswords } from './mask.ts';
import type { EnvVariable } from './variable.ts';

type Issue = z.core.$ZodIssue;

/** Marks a custom issue whose message does not depend on the value, so that it may be shown for a secret too. */
export const fixedMessage = { fixedMessage: true } as const;

export function missing(variable: EnvVariable): EnvProblem {
  const about = variable.description ? `${variable.description.replace(/\.$/, '')}. ` : '';
  const example = variable.example === undefined ? '' : `, for example ${variable.name}=${variable.example}`;
  const set = variable.hint ?? `Set ${variable.name} in .env or in the environment${example}.`;
  return { variable: variable.name, message: 'is not set', hint: about + set };
}

/** Says what is wrong with a value; for a secret in words that cannot hold any of it. */
export function invalid(variable: EnvVariable, value: string, issues: readonly Issue[]): EnvProblem {
  const { name, secret } = variable;
  const words = [...new Set(issues.map(secret ? secretWords : openWords))].join('; ');
  const message = secret ? words : `${words}, not ${JSON.stringify(shorten(maskUrlPasswords(value)))}`;
  const example = variable.example === undefined ? '' : `, for example to ${variable.example}`;
  return {
    variable: name,
    message,
    hint: variable.hint ?? `Change ${name} in .env or in the environment${example}.`,
  };
}

/** The same for a type that threw: its error may quote the value, so a secret's is not looked at. */
export function thrown(variable: EnvVariable, value: string, error: unknown): EnvProblem {
  const words = error instanceof Error ? error.message : String(error);
  const issue = { code: 'custom', path: [], message: `cannot be read (${words})` } as unknown as Issue;
  return invalid(variable, value, [issue]);
}

function openWords(issue: Issue): string {
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    return [...new Set(issue.errors.flat().map(openWords))].join(', or ');
  }
  if (issue.code === 'invalid_value') return `must be one of ${issue.values.map(String).join(', ')}`;
  if (issue.code === 'custom') return maskUrlPasswords(issue.message);
  const ownMessage = !/^(Invalid|Too) /.test(issue.message);
  const words = ownMessage ? undefined : (sizeWords(issue) ?? formatWords(issue));
  return words ?? maskUrlPasswords(issue.message);
}

/**
 * Messages of zod and of refinements may quote the value or list accepted ones. For a secret only the type's own
 * bounds are told.
 */
function secretWords(issue: Issue): string {
  if (issue.code === 'custom') {
    return issue.params?.fixedMessage === true ? issue.message : 'has a value that is not accepted';
  }
  return sizeWords(issue) ?? formatWords(issue) ?? 'has a value that is not accepted';
}

function sizeWords(issue: Issue): string | undefined {
  if (issue.code === 'too_small' || issue.code === 'too_big') {
    const bound = issue.code === 'too_small' ? issue.minimum : issue.maximum;
    const atLeast = issue.code === 'too_small' ? 'at least' : 'at most';
    if (issue.origin === 'string') return `must have ${atLeast} ${bound} characters`;
    if (issue.origin === 'array' || issue.origin === 'set') return `must have ${atLeast} ${bound} entries`;
    return `must be ${issue.inclusive === false ? (issue.code === 'too_small' ? 'above' : 'below') : atLeast} ${bound}`;
  }
  return issue.code === 'not_multiple_of' ? `must be a multiple of ${issue.divisor}` : undefined;
}

function formatWords(issue: Issue): string | undefined {
  if (issue.code === 'invalid_type') return `must be a ${issue.expected}`;
  if (issue.code !== 'invalid_format') return undefined;
  // The own message of a pattern says more than the pattern, but could quote the value: only the pattern is told.
  return issue.format === 'regex' ? `must match ${issue.pattern}` : `must be a valid ${issue.format}`;
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
