const mask = '***';

// The end of a name tells what it holds: API_TOKEN does, TOKEN_LIMIT does not.
const secretName =
  /(PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRET_KEY_BASE|TOKEN|CREDENTIALS?|(^|_)KEY|(^|_)PASS|(^|_)PWD)$/i;

/** Whether a variable of this name holds a secret by custom. A variable that names a file with one does not. */
export function looksSecret(name: string): boolean {
  return name !== 'PWD' && name !== 'OLDPWD' && secretName.test(name);
}

/** The text with the password of every URL in it replaced, also in URLs too broken to parse. */
export function maskUrlPasswords(text: string): string {
  // Greedy up to the last @ of the word: a password that was not percent-encoded may hold @, / and :.
  return text.replace(/(\/\/[^\s:@/]*:)\S*@/g, `$1${mask}@`);
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
  const entries = Object.entries(environment).flatMap(([name, value]): [string, string][] => {
    if (value === undefined || value === null) return [];
    const secret = known.has(name) || looksSecret(name);
    return [[name, secret && value !== '' ? mask : maskUrlPasswords(value)]];
  });
  return Object.fromEntries(entries);
}
