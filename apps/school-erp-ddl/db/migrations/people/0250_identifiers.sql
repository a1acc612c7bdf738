-- Numbers of authorities follow the tenant's country pack: the scheme must be in the pack, the value must match it.

SET LOCAL ROLE erp_owner;

CREATE FUNCTION country.check_identifier() RETURNS trigger LANGUAGE plpgsql STABLE AS $$
DECLARE
  wanted text;
BEGIN
  SELECT s.pattern INTO wanted
  FROM tenancy.tenant t
  JOIN country.identifier_scheme s ON s.pack_code = t.country_pack AND s.code = NEW.scheme_code
  WHERE t.id = NEW.tenant_id AND (s.applies_to = 'organisation') = (TG_ARGV[0] = 'organisation');
  IF wanted IS NULL THEN
    RAISE EXCEPTION 'the country pack has no identifier %', NEW.scheme_code USING
      ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_TABLE_NAME || '_scheme';
  ELSIF NEW.value !~ ('^(' || wanted || ')$') THEN
    RAISE EXCEPTION 'this is no %', NEW.scheme_code USING
      ERRCODE = 'check_violation', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_TABLE_NAME || '_format';
  END IF;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION country.check_identifier() IS 'Refuses an identifier that the tenant''s country pack does not know or that has another form.';
CREATE TRIGGER identifier_pack BEFORE INSERT OR UPDATE OF scheme_code, value ON people.identifier
  FOR EACH ROW EXECUTE FUNCTION country.check_identifier('person');

CREATE TABLE organisation.identifier (
  tenant_id       integer NOT NULL DEFAULT tenancy.current_tenant(),
  organisation_id bigint NOT NULL,
  scheme_code     text NOT NULL,
  value           text NOT NULL,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT identifier_pkey PRIMARY KEY (tenant_id, organisation_id, scheme_code),
  CONSTRAINT identifier_value_key UNIQUE (tenant_id, scheme_code, value),
  CONSTRAINT identifier_organisation_fkey FOREIGN KEY (tenant_id, organisation_id)
    REFERENCES organisation.organisation (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE organisation.identifier IS 'A number given to an organisation by an authority, such as the NPSN of a school.';
COMMENT ON COLUMN organisation.identifier.organisation_id IS 'Whose number.';
COMMENT ON COLUMN organisation.identifier.scheme_code IS 'Which number; the country pack knows it.';
COMMENT ON COLUMN organisation.identifier.value IS 'The number as written.';
CREATE TRIGGER identifier_pack BEFORE INSERT OR UPDATE OF scheme_code, value ON organisation.identifier
  FOR EACH ROW EXECUTE FUNCTION country.check_identifier('organisation');
CALL tenancy.protect_schema('organisation');

INSERT INTO tenancy.constraint_message (schema_name, table_name, constraint_name, message) VALUES
  ('organisation', 'identifier', 'identifier_pkey', 'This organisation has such an identifier already.'),
  ('organisation', 'identifier', 'identifier_value_key', 'Another organisation has this identifier.'),
  ('organisation', 'identifier', 'identifier_organisation_fkey', 'The organisation of this identifier does not exist.'),
  ('organisation', 'identifier', 'identifier_scheme', 'The country pack does not know this identifier for organisations.'),
  ('organisation', 'identifier', 'identifier_format', 'This identifier does not have the form that the country pack asks for.');

INSERT INTO tenancy.constraint_message (schema_name, table_name, constraint_name, message) VALUES
  ('people', 'identifier', 'identifier_scheme', 'The country pack does not know this identifier for people.'),
  ('people', 'identifier', 'identifier_format', 'This identifier does not have the form that the country pack asks for.');

CALL tenancy.protect_schema('people');

RESET ROLE;
