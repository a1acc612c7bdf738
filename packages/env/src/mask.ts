const hidden = '***';

const secretWord = /PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIAL|PRIVATE_KEY/i;
// The end tells what these hold: API_TOKEN is one, TOKEN_LIMIT is about some.
const secretEnd = /(TOKEN|(^|_)(KEYS?|PASS|PWD|AUTH))$/i;
// Where or how long a secret is, or a key that everybody may have.
const noSecret = /_(FILE|PATH|DIR|NAME|LENGTH|TTL|DAYS|SECONDS)$|(^|_)PUBLIC_|^(OLD)?PWD$/i;

/** Whether a variable of this name holds a secret by custom. A variable that names a file with one does not. */
export function looksSecret(name: string): boolean {
  return (secretWord.test(name) || secretEnd.test(name)) && !noSecret.test(name);
}

/** The text with the password of every URL in it replaced, also in URLs too broken to parse. */
export function maskUrlPasswords(text: string): string {
  // Greedy up to the last @ of the word: a password that was not percent-encoded may hold @, / and :. What reads as
  // a port is one.
  return text.replace(/(\/\/[^\s:@/]*:)(?!\d{1,5}(?:[/?#]|\s|$))\S*@/g, `$1${hidden}@`);
}

export interface MaskOptions {
  /** Names of variables that are secret whatever they look like. */
  readonly secrets?: Iterable<string>;
}

/** A copy of an environment for printing: secret values become `***`, and so do the passwords within URLs. */
export function maskSecrets(
  environment: Readonly<Record<string, string | null | undefined>>,
  { secrets = [] }: MaskOptions = {},
): Record<string, string> {
  const known = new Set(secrets);
  const entries = Object.entries(environment).flatMap(([name, value]): [string, string][] =>
    value === undefined || value === null ? [] : [[name, mask(name, value, known.has(name))]],
  );
  return Object.fromEntries(entries);
}

/** A variable's value for printing: `***` if its name looks secret, else with the passwords within URLs masked. */
export function maskVariable(name: string, value: string): string {
  return mask(name, value, false);
}

function mask(name: string, value: string, secret: boolean): string {
  return value !== '' && (secret || looksSecret(name)) ? hidden : maskUrlPasswords(value);
}
