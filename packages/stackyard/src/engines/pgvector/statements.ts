/** What a client's SQL text tells about the state that it leaves in its session. It looks at words, not at grammar. */

const leading = String.raw`(?:^|;)(?:\s|--[^\n]*\n|/\*[^]*?\*/)*`;
const copyIn = new RegExp(String.raw`${leading}copy\b[^;]*\bfrom\s+stdin\b`, 'i');
const changesSettings = new RegExp(
  String.raw`${leading}(?:set\b(?!\s+(?:local|transaction|constraints)\b)|reset\b|discard\b)`,
  'i',
);
const setConfig = /\bset_config\s*\(/i;
const setConfigLocal = /\bset_config\s*\((?:[^()]|\([^()]*\))*,\s*true\s*\)/gi;
const customSetting = /(?:\bset\s+(?:session\s+)?|\bset_config\s*\(\s*')"?([a-z_]\w*\.\w+)/gi;
const listen = new RegExp(String.raw`${leading}(un)?listen\s+(?:"((?:[^"]|"")+)"|(\w+)|(\*))`, 'gi');
const advisory = /\bpg_(?:try_)?advisory_(?:un)?lock/i;
const forgetAll = /^\s*(discard|deallocate)\s+all\s*;?\s*$/i;

export const isCopyIn = (sql: string): boolean => copyIn.test(sql);

export const usesAdvisoryLocks = (sql: string): boolean => advisory.test(sql);

/** True when settings of the session, not only of the transaction, may be different afterwards. */
export function mayChangeSettings(sql: string): boolean {
  return (
    changesSettings.test(sql) || (setConfig.test(sql) && setConfig.test(sql.replace(setConfigLocal, '')))
  );
}

/** Names like `app.tenant`, which `pg_settings` does not list. */
export function customSettings(sql: string): string[] {
  return [...sql.matchAll(customSetting)].map((match) => match[1] as string);
}

/** `DISCARD ALL` and `DEALLOCATE ALL` mean the client's own statements, never those of others. */
export function forgetsStatements(sql: string): 'discard' | 'deallocate' | undefined {
  return forgetAll.exec(sql)?.[1]?.toLowerCase() as 'discard' | 'deallocate' | undefined;
}

export interface Subscription {
  readonly action: 'listen' | 'unlisten';
  /** `*` with `unlisten` means every channel. */
  readonly channel: string;
}

export function subscriptions(sql: string): Subscription[] {
  return [...sql.matchAll(listen)].map(([, un, quoted, plain]) => ({
    action: un ? 'unlisten' : 'listen',
    channel: quoted?.replaceAll('""', '"') ?? plain?.toLowerCase() ?? '*',
  }));
}
