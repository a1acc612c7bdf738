-- Extensions and the database roles. Roles belong to the whole cluster, which several databases may share, so
-- making them is idempotent and survives two databases doing it at once.
--
--   erp_owner     owns every object; nobody logs in as it
--   erp_migrator  may become erp_owner and erp_app; what deployments and the erp command log in with
--   erp_app       reads and writes rows of the tenant of its transaction; never bypasses row-level security
--   erp_analyst   reads rows of the tenant of its transaction

CREATE EXTENSION IF NOT EXISTS btree_gist;
CREATE EXTENSION IF NOT EXISTS pg_trgm;

DO $$
DECLARE
  role_name text;
  granted text;
BEGIN
  FOREACH role_name IN ARRAY ARRAY['erp_owner', 'erp_migrator', 'erp_app', 'erp_analyst'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
      BEGIN
        EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE', role_name);
      EXCEPTION WHEN duplicate_object OR unique_violation THEN
        NULL; -- another database of the cluster made it a moment ago
      END;
    END IF;
  END LOOP;

  FOREACH granted IN ARRAY ARRAY['erp_owner', 'erp_app'] LOOP
    FOR attempt IN 1..20 LOOP
      EXIT WHEN EXISTS (
        SELECT FROM pg_auth_members
        WHERE roleid = granted::regrole AND member = 'erp_migrator'::regrole
      );
      BEGIN
        EXECUTE format('GRANT %I TO erp_migrator', granted);
      EXCEPTION WHEN internal_error OR unique_violation THEN
        PERFORM pg_sleep(0.01); -- "tuple concurrently updated": the same grant in another database
      END;
    END LOOP;
  END LOOP;

  EXECUTE format('GRANT CREATE, TEMPORARY ON DATABASE %I TO erp_owner', current_database());
  EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO erp_app', current_database());
  EXECUTE format('GRANT CONNECT ON DATABASE %I TO erp_analyst', current_database());
END
$$;

REVOKE CREATE ON SCHEMA public FROM PUBLIC;

-- A large object belongs to a role, not to a tenant: nobody makes one. (On a server whose superuser is somebody else,
-- these say "no privileges could be revoked"; then ask whoever that is.)
REVOKE EXECUTE ON FUNCTION lo_creat(integer), lo_create(oid), lo_from_bytea(oid, bytea) FROM PUBLIC;
