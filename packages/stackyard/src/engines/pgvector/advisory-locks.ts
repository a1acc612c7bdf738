/**
 * Advisory locks of sessions. To the one backend every client is the same session, so it would grant each of them
 * the same lock. These replace the functions of `pg_catalog` by a table that knows the client. Who that is,
 * `stackyard_locks.name_session` is told before each such call; a setting would not survive `RESET ALL`. Locks of transactions need nothing: transactions are serial.
 *
 * They are single SQL expressions, which the planner puts in place of the call: the executor would go by their numbers
 * to the built-in code without a look at what stands in `pg_proc`.
 *
 * A lock that is not free fails at once with 55P03 where PostgreSQL would wait: while a client waits inside a
 * statement, no other could give the lock back.
 */
const schema = `
  CREATE SCHEMA IF NOT EXISTS stackyard_locks;
  CREATE UNLOGGED TABLE IF NOT EXISTS stackyard_locks.advisory_lock
    (class bigint, key bigint, shared boolean, session text, held int NOT NULL, PRIMARY KEY (class, key, shared, session));
  CREATE UNLOGGED TABLE IF NOT EXISTS stackyard_locks.current_session (session text NOT NULL);
  TRUNCATE stackyard_locks.advisory_lock, stackyard_locks.current_session;
  INSERT INTO stackyard_locks.current_session VALUES ('');
  CREATE OR REPLACE FUNCTION stackyard_locks.name_session(name text) RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS
    'UPDATE stackyard_locks.current_session SET session = name WHERE session <> name';
  CREATE OR REPLACE FUNCTION stackyard_locks.try_lock(c bigint, k bigint, s boolean) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
  DECLARE me text := (SELECT session FROM stackyard_locks.current_session);
  BEGIN
    IF EXISTS (SELECT FROM stackyard_locks.advisory_lock l WHERE l.class = c AND l.key = k AND l.session <> me
               AND NOT (s AND l.shared)) THEN RETURN false; END IF;
    INSERT INTO stackyard_locks.advisory_lock VALUES (c, k, s, me, 1)
      ON CONFLICT (class, key, shared, session) DO UPDATE SET held = advisory_lock.held + 1;
    RETURN true;
  END $$;
  CREATE OR REPLACE FUNCTION stackyard_locks.lock(c bigint, k bigint, s boolean) RETURNS void
  LANGUAGE plpgsql AS $$
  BEGIN
    IF NOT stackyard_locks.try_lock(c, k, s) THEN
      RAISE EXCEPTION 'another connection holds this advisory lock' USING ERRCODE = '55P03',
        HINT = 'The embedded engine cannot wait for it inside a statement: poll pg_try_advisory_lock.';
    END IF;
  END $$;
  CREATE OR REPLACE FUNCTION stackyard_locks.unlock(c bigint, k bigint, s boolean) RETURNS boolean
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
  DECLARE me text := (SELECT session FROM stackyard_locks.current_session); n int;
  BEGIN
    UPDATE stackyard_locks.advisory_lock l SET held = held - 1
      WHERE l.class = c AND l.key = k AND l.shared = s AND l.session = me RETURNING held INTO n;
    IF n IS NULL THEN RAISE WARNING 'you don''t own this advisory lock'; RETURN false; END IF;
    DELETE FROM stackyard_locks.advisory_lock WHERE held = 0;
    RETURN true;
  END $$;
  CREATE OR REPLACE FUNCTION stackyard_locks.unlock_all() RETURNS void
  LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS
    'DELETE FROM stackyard_locks.advisory_lock WHERE session = (SELECT session FROM stackyard_locks.current_session)';
  CREATE OR REPLACE FUNCTION pg_catalog.pg_advisory_unlock_all() RETURNS void
  LANGUAGE sql VOLATILE AS 'SELECT stackyard_locks.unlock_all()';
  GRANT USAGE ON SCHEMA stackyard_locks TO PUBLIC;`;

/** `class` -1 holds the locks with one bigint as key, the rest those with two ints. */
const keys = [
  { parameters: 'bigint', values: '-1, $1' },
  { parameters: 'int, int', values: '$1::bigint & 4294967295, $2' },
];

const calls = [
  { name: 'pg_try_advisory_lock', result: 'boolean', call: 'try_lock' },
  { name: 'pg_advisory_lock', result: 'void', call: 'lock' },
  { name: 'pg_advisory_unlock', result: 'boolean', call: 'unlock' },
];

const functions = [false, true].flatMap((shared) =>
  keys.flatMap(({ parameters, values }) =>
    calls.map(
      ({ name, result, call }) => `
  CREATE OR REPLACE FUNCTION pg_catalog.${name}${shared ? '_shared' : ''}(${parameters}) RETURNS ${result}
  LANGUAGE sql VOLATILE AS 'SELECT stackyard_locks.${call}(${values}, ${shared})';`,
    ),
  ),
);

/** Run at each start: locks do not survive their holders. */
export const advisoryLocks = [schema, ...functions].join('\n');
