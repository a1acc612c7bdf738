CREATE EXTENSION IF NOT EXISTS vector;

-- Requests of a tenant run as ingestion_tenant, which row-level security holds to `app.tenant`. The worker and the
-- housekeeping serve all tenants and run as ingestion_service. Neither can log in: the login role assumes them.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ingestion_tenant') THEN
    CREATE ROLE ingestion_tenant NOLOGIN;
  END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ingestion_service') THEN
    CREATE ROLE ingestion_service NOLOGIN BYPASSRLS;
  END IF;
  EXECUTE format('GRANT ingestion_tenant, ingestion_service TO %I', current_user);
END $$;

CREATE TABLE tenant (
  id text PRIMARY KEY CHECK (id ~ '^[a-z0-9][a-z0-9-]{0,62}$'),
  max_documents int NOT NULL DEFAULT 100000,
  max_bytes bigint NOT NULL DEFAULT 107374182400,
  -- Jobs that may run at once, and requests per minute.
  max_active int NOT NULL DEFAULT 64,
  max_requests int NOT NULL DEFAULT 6000,
  paused boolean NOT NULL DEFAULT false,
  -- What the tenant has now; kept in the transactions that change it.
  documents int NOT NULL DEFAULT 0,
  bytes bigint NOT NULL DEFAULT 0,
  -- Where its next job stands in the queue (see job.turn).
  next_turn bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE api_key (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id text NOT NULL REFERENCES tenant,
  name text NOT NULL,
  -- SHA-256 of a key with 256 random bits: nothing to guess, so nothing to slow down.
  hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
  admin boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);

-- Content in object storage, addressed by its SHA-256.
CREATE TABLE object (
  tenant_id text NOT NULL REFERENCES tenant,
  hash bytea NOT NULL CHECK (length(hash) = 32),
  bytes bigint NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, hash)
);

CREATE TABLE document (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL REFERENCES tenant,
  -- The sender's own identifier: the same key again is a new version of the same document.
  key text CHECK (length(key) <= 1024),
  name text NOT NULL CHECK (length(name) <= 1024),
  source_url text,
  metadata jsonb NOT NULL DEFAULT '{}',
  -- Of the newest version, ready or not.
  hash bytea NOT NULL,
  latest_version uuid NOT NULL,
  -- The version that search sees. Moving this pointer is what makes a version visible.
  current_version uuid,
  expires_at timestamptz,
  deleted_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id)
);
CREATE INDEX document_hash ON document (tenant_id, hash) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX document_key ON document (tenant_id, key) WHERE deleted_at IS NULL AND key IS NOT NULL;
CREATE INDEX document_list ON document (tenant_id, created_at DESC, id);
CREATE INDEX document_metadata ON document USING gin (metadata jsonb_path_ops);
CREATE INDEX document_deleted ON document (deleted_at) WHERE deleted_at IS NOT NULL;
CREATE INDEX document_expires ON document (expires_at) WHERE expires_at IS NOT NULL;

CREATE TYPE version_status AS ENUM ('queued', 'processing', 'ready', 'failed', 'superseded');

CREATE TABLE version (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  document_id uuid NOT NULL,
  number int NOT NULL,
  hash bytea NOT NULL,
  bytes bigint NOT NULL,
  name text NOT NULL,
  declared_type text,
  status version_status NOT NULL DEFAULT 'queued',
  stage text,
  done int,
  total int,
  format text,
  media_type text,
  title text,
  pages int,
  characters int,
  chunks int,
  model text,
  dimensions int,
  extracted jsonb NOT NULL DEFAULT '{}',
  notes jsonb NOT NULL DEFAULT '[]',
  error_code text,
  error_message text,
  error_hint text,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  UNIQUE (document_id, number),
  FOREIGN KEY (tenant_id, document_id) REFERENCES document (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, hash) REFERENCES object (tenant_id, hash)
);
CREATE INDEX version_hash ON version (tenant_id, hash);
CREATE INDEX version_superseded ON version (finished_at) WHERE status = 'superseded';

CREATE TABLE version_text (
  version_id uuid PRIMARY KEY REFERENCES version ON DELETE CASCADE,
  tenant_id text NOT NULL,
  text text NOT NULL
);

-- One model is active, which search uses. While another is building, both are written.
CREATE TABLE embedding_model (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  model text NOT NULL,
  dimensions int NOT NULL CHECK (dimensions BETWEEN 1 AND 4000),
  state text NOT NULL CHECK (state IN ('active', 'building', 'retired')),
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (model, dimensions)
);
CREATE UNIQUE INDEX embedding_model_active ON embedding_model ((true)) WHERE state = 'active';

-- One partition per model, so that each has its own index of its own dimension, and a retired model goes at once.
CREATE TABLE chunk (
  model_id int NOT NULL,
  version_id uuid NOT NULL,
  ordinal int NOT NULL,
  id uuid NOT NULL,
  tenant_id text NOT NULL,
  document_id uuid NOT NULL,
  kind text NOT NULL,
  start_offset int NOT NULL,
  end_offset int NOT NULL,
  text text NOT NULL,
  context text,
  -- Page, slide, sheet, headings, file: what a citation shows.
  place jsonb,
  tokens int NOT NULL,
  embedding halfvec NOT NULL,
  search tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('english', coalesce(context || E'\n', '') || text)) STORED,
  PRIMARY KEY (model_id, version_id, ordinal)
) PARTITION BY LIST (model_id);
CREATE INDEX chunk_tenant ON chunk (tenant_id);
CREATE INDEX chunk_search ON chunk USING gin (search);

-- A chunk is just long enough to be compressed, and the usual way of it takes more time than all else of storing it.
DO $$
BEGIN
  ALTER TABLE chunk ALTER COLUMN text SET COMPRESSION lz4, ALTER COLUMN search SET COMPRESSION lz4;
  ALTER TABLE version_text ALTER COLUMN text SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL; -- a server that was built without it
END $$;

CREATE TYPE job_state AS ENUM ('queued', 'active', 'done', 'dead', 'cancelled');

-- The queue's truth. What a queue delivers is a permission to claim one of these.
CREATE TABLE job (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL,
  version_id uuid NOT NULL REFERENCES version ON DELETE CASCADE,
  -- Set for a job that only adds another model's vectors to a version.
  model_id int REFERENCES embedding_model,
  state job_state NOT NULL DEFAULT 'queued',
  priority smallint NOT NULL DEFAULT 0,
  -- Fair order: each tenant's jobs take consecutive turns, so tenants alternate however many jobs one has.
  turn bigint NOT NULL,
  attempts int NOT NULL DEFAULT 0,
  -- How often its worker went silent. Other failures do not count: they are not the document's fault.
  losses int NOT NULL DEFAULT 0,
  -- Grows with each claim. Results count only with the number of the latest one.
  fence int NOT NULL DEFAULT 0,
  run_after timestamptz NOT NULL DEFAULT now(),
  lease_until timestamptz,
  worker text,
  error_code text,
  error_message text,
  trace text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX job_queue ON job (priority DESC, turn, created_at) WHERE state = 'queued';
CREATE INDEX job_lease ON job (lease_until) WHERE state = 'active';
CREATE INDEX job_dead ON job (tenant_id, updated_at DESC) WHERE state = 'dead';
CREATE INDEX job_version ON job (version_id);

CREATE TABLE idempotency_key (
  tenant_id text NOT NULL,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  fingerprint bytea NOT NULL,
  document_id uuid NOT NULL,
  version_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, key)
);
CREATE INDEX idempotency_key_age ON idempotency_key (created_at);

-- A resumable upload. Its bytes lie in object storage, one object per piece.
CREATE TABLE upload (
  id uuid PRIMARY KEY,
  tenant_id text NOT NULL REFERENCES tenant,
  bytes bigint NOT NULL CHECK (bytes >= 0),
  received bigint NOT NULL DEFAULT 0,
  pieces int NOT NULL DEFAULT 0,
  details jsonb NOT NULL,
  document_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX upload_age ON upload (updated_at);

-- Settings of the whole deployment that change while it runs.
CREATE TABLE control (
  id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  paused boolean NOT NULL DEFAULT false,
  last_turn bigint NOT NULL DEFAULT 0
);
INSERT INTO control DEFAULT VALUES;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['document', 'version', 'version_text', 'chunk', 'job', 'idempotency_key', 'upload', 'object'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY tenant ON %I USING (tenant_id = current_setting(''app.tenant'', true)) '
                   'WITH CHECK (tenant_id = current_setting(''app.tenant'', true))', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO ingestion_tenant, ingestion_service', name);
  END LOOP;
  ALTER TABLE tenant ENABLE ROW LEVEL SECURITY;
  ALTER TABLE tenant FORCE ROW LEVEL SECURITY;
  CREATE POLICY tenant ON tenant USING (id = current_setting('app.tenant', true));
  GRANT SELECT, UPDATE (documents, bytes, next_turn) ON tenant TO ingestion_tenant;
  GRANT SELECT, INSERT, UPDATE, DELETE ON tenant, api_key, embedding_model, control TO ingestion_service;
  GRANT SELECT ON embedding_model, control TO ingestion_tenant;
END $$;
