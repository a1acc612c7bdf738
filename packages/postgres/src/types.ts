import pg from 'pg';

const { DATE } = pg.types.builtins;
const dateArray = 1182;
const textArray = 1009;

const asIs = (text: string) => text;
const asIsArray = (text: string) =>
  (pg.types.getTypeParser(textArray as never) as (text: string) => string[])(text);

/** How values of PostgreSQL become values of JavaScript: as `pg` does it, except that a date stays text. */
export const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === DATE) return asIs;
    if (oid === dateArray) return asIsArray;
    return pg.types.getTypeParser(oid as never, format as never);
  },
} as pg.CustomTypesConfig;
