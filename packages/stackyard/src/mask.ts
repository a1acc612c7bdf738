/** The URL with its password hidden. */
export function maskUrl(url: string): string {
  return url.replace(/(:\/\/[^\s:/?#@]*):[^\s/?#@]*@/g, '$1:***@');
}

const secretName =
  /PASS(WORD|WD|PHRASE)?|SECRET|TOKEN|CREDENTIAL|PRIVATE|(^|_)(API|ADMIN|ACCESS|SIGNING|ENCRYPTION|MASTER)?_?KEYS?(_|$)|AUTH$/i;

/** A variable's value as anybody may see it: `***` by its name, or with the password of a URL hidden. */
export function maskVariable(name: string, value: string): string {
  if (value !== '' && secretName.test(name)) return '***';
  return maskUrl(value);
}
