-- What happens to a document, each step as one call, so that it is one round trip and one transaction.

-- Tells whoever watches (the server-sent events of the API) that a version has moved on.
CREATE FUNCTION announce(v version) RETURNS void LANGUAGE sql AS $$
  SELECT pg_notify('ingestion', jsonb_strip_nulls(jsonb_build_object(
    'tenant', v.tenant_id, 'document', v.document_id, 'version', v.id, 'name', left(v.name, 200), 'status', v.status,
    'stage', v.stage, 'done', v.done, 'total', v.total, 'chunks', v.chunks,
    'error', v.error_code, 'message', left(v.error_message, 500)))::text)
$$;

-- Puts a job at the tenant's next turn. The caller holds the tenant's row.
CREATE FUNCTION add_job(p_tenant text, p_version uuid, p_model int, p_priority smallint, p_trace text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
  new_turn bigint;
  new_job uuid := gen_random_uuid();
BEGIN
  UPDATE tenant SET next_turn = greatest(next_turn, (SELECT last_turn FROM control)) + 1
    WHERE id = p_tenant RETURNING next_turn INTO new_turn;
  INSERT INTO job (id, tenant_id, version_id, model_id, priority, turn, trace)
    VALUES (new_job, p_tenant, p_version, p_model, p_priority, new_turn, p_trace);
  RETURN new_job;
END $$;

-- Takes note of contents that have arrived, in order. The tenant's row is locked first, so that two of the same kind do
-- not race.
--   created    a new document              updated   a new version of the document with this key
--   duplicate  the content is there already           replayed  the idempotency key was used for this very request
CREATE FUNCTION register_documents(p_tenant text, p_documents jsonb)
RETURNS TABLE (document_id uuid, version_id uuid, outcome text) LANGUAGE plpgsql AS $$
DECLARE
  t tenant;
  p record;
  used idempotency_key;
  d document;
  v version;
  last_number int;
  p_turn bigint;
BEGIN
  SELECT * INTO t FROM tenant WHERE id = p_tenant FOR NO KEY UPDATE;
  IF NOT FOUND THEN RAISE EXCEPTION 'unknown tenant' USING ERRCODE = 'IN404'; END IF;
  p_turn := greatest(t.next_turn, (SELECT last_turn FROM control));

  FOR p IN SELECT x.*, decode(x.hash, 'hex') AS content FROM jsonb_to_recordset(p_documents) AS x(
    document uuid, version uuid, target uuid, key text, name text, hash text, bytes bigint, type text, source_url text,
    metadata jsonb, expires timestamptz, idempotency text, fingerprint text, priority smallint, trace text)
  LOOP
    IF p.idempotency IS NOT NULL THEN
      SELECT * INTO used FROM idempotency_key i WHERE i.tenant_id = p_tenant AND i.key = p.idempotency;
      IF FOUND THEN
        IF used.fingerprint <> decode(p.fingerprint, 'hex') THEN
          RAISE EXCEPTION 'this Idempotency-Key was used for another request' USING ERRCODE = 'IN422';
        END IF;
        document_id := used.document_id; version_id := used.version_id; outcome := 'replayed';
        RETURN NEXT;
        CONTINUE;
      END IF;
    END IF;

    IF p.target IS NOT NULL THEN
      SELECT * INTO d FROM document o WHERE o.tenant_id = p_tenant AND o.id = p.target AND o.deleted_at IS NULL FOR UPDATE;
      IF NOT FOUND THEN RAISE EXCEPTION 'no such document' USING ERRCODE = 'IN404'; END IF;
    ELSIF p.key IS NOT NULL THEN
      SELECT * INTO d FROM document o WHERE o.tenant_id = p_tenant AND o.key = p.key AND o.deleted_at IS NULL FOR UPDATE;
    ELSE
      SELECT * INTO d FROM document o WHERE o.tenant_id = p_tenant AND o.hash = p.content AND o.deleted_at IS NULL
        LIMIT 1 FOR UPDATE;
    END IF;

    IF d.id IS NOT NULL AND d.hash = p.content THEN
      document_id := d.id; version_id := d.latest_version; outcome := 'duplicate';
    ELSE
      IF t.bytes + p.bytes > t.max_bytes THEN
        RAISE EXCEPTION 'the tenant may store % bytes', t.max_bytes USING ERRCODE = 'IN507';
      END IF;
      IF d.id IS NULL AND t.documents >= t.max_documents THEN
        RAISE EXCEPTION 'the tenant may have % documents', t.max_documents USING ERRCODE = 'IN507';
      END IF;
      INSERT INTO object (tenant_id, hash, bytes) VALUES (p_tenant, p.content, p.bytes) ON CONFLICT DO NOTHING;
      version_id := p.version;
      last_number := 0;
      IF d.id IS NULL THEN
        document_id := p.document; outcome := 'created';
        INSERT INTO document (id, tenant_id, key, name, source_url, metadata, hash, latest_version, expires_at)
          VALUES (p.document, p_tenant, p.key, p.name, p.source_url, p.metadata, p.content, p.version, p.expires);
      ELSE
        document_id := d.id; outcome := 'updated';
        UPDATE document o SET name = p.name, source_url = coalesce(p.source_url, o.source_url), metadata = p.metadata,
          hash = p.content, latest_version = p.version, expires_at = p.expires, updated_at = now() WHERE o.id = d.id;
        -- What waits for an older version is not needed any more; what already runs is stopped at its commit.
        UPDATE job j SET state = 'cancelled', updated_at = now() FROM version w
          WHERE w.document_id = d.id AND j.version_id = w.id AND j.state = 'queued';
        UPDATE version w SET status = 'superseded', finished_at = now()
          WHERE w.document_id = d.id AND w.status = 'queued';
        SELECT max(w.number) INTO last_number FROM version w WHERE w.document_id = d.id;
      END IF;
      INSERT INTO version (id, tenant_id, document_id, number, hash, bytes, name, declared_type)
        VALUES (p.version, p_tenant, register_documents.document_id, last_number + 1, p.content, p.bytes, p.name, p.type)
        RETURNING * INTO v;
      t.documents := t.documents + (outcome = 'created')::int;
      t.bytes := t.bytes + p.bytes;
      p_turn := p_turn + 1;
      INSERT INTO job (id, tenant_id, version_id, priority, turn, trace)
        VALUES (gen_random_uuid(), p_tenant, p.version, p.priority, p_turn, p.trace);
      PERFORM announce(v);
    END IF;

    IF p.idempotency IS NOT NULL THEN
      INSERT INTO idempotency_key (tenant_id, key, fingerprint, document_id, version_id) VALUES (p_tenant, p.idempotency,
        decode(p.fingerprint, 'hex'), register_documents.document_id, register_documents.version_id);
    END IF;
    RETURN NEXT;
  END LOOP;
  UPDATE tenant SET documents = t.documents, bytes = t.bytes, next_turn = p_turn WHERE id = p_tenant;
END $$;

-- Claims up to p_limit jobs in fair order. Claims are serial, so that the tenants' limits hold over all workers.
CREATE FUNCTION claim_jobs(p_worker text, p_limit int, p_lease interval)
RETURNS TABLE (
  job_id uuid, fence int, attempts int, tenant_id text, document_id uuid, version_id uuid, model_id int,
  name text, declared_type text, hash bytea, bytes bigint, trace text
) LANGUAGE plpgsql AS $$
DECLARE
  j job;
  claimed uuid[] := '{}';
  running jsonb;
  limits jsonb;
  n int;
BEGIN
  PERFORM pg_advisory_xact_lock(7301455);
  IF (SELECT c.paused FROM control c) THEN RETURN; END IF;
  SELECT coalesce(jsonb_object_agg(a.tenant_id, a.n), '{}') INTO running
    FROM (SELECT r.tenant_id, count(*) AS n FROM job r WHERE r.state = 'active' GROUP BY 1) a;
  SELECT jsonb_object_agg(t.id, t.max_active) INTO limits FROM tenant t WHERE NOT t.paused
    AND t.max_active > coalesce((running->>t.id)::int, 0);
  IF limits IS NULL THEN RETURN; END IF;
  FOR j IN
    SELECT * FROM job q WHERE q.state = 'queued' AND q.run_after <= now() AND limits ? q.tenant_id
    ORDER BY q.priority DESC, q.turn, q.created_at FOR UPDATE SKIP LOCKED
  LOOP
    n := coalesce((running->>j.tenant_id)::int, 0);
    CONTINUE WHEN n >= (limits->>j.tenant_id)::int;
    running := jsonb_set(running, ARRAY[j.tenant_id], to_jsonb(n + 1));
    claimed := claimed || j.id;
    EXIT WHEN cardinality(claimed) >= p_limit;
  END LOOP;
  IF cardinality(claimed) = 0 THEN RETURN; END IF;
  UPDATE control SET last_turn = greatest(last_turn, (SELECT max(q.turn) FROM job q WHERE q.id = ANY (claimed)));
  UPDATE version v SET status = 'processing', stage = 'read', done = NULL, total = NULL
    FROM job q WHERE q.id = ANY (claimed) AND v.id = q.version_id AND q.model_id IS NULL;
  RETURN QUERY
    UPDATE job q SET state = 'active', fence = q.fence + 1, attempts = q.attempts + 1, worker = p_worker,
      lease_until = now() + p_lease, updated_at = now()
    FROM version v WHERE q.id = ANY (claimed) AND v.id = q.version_id
    RETURNING q.id, q.fence, q.attempts, q.tenant_id, v.document_id, v.id, q.model_id, v.name, v.declared_type, v.hash,
      v.bytes, q.trace;
END $$;

-- Of these claims, those that still count; their rows stay locked until the transaction ends. `wanted` says whether
-- the result is still of use: the document is not deleted and no newer version has come. `stored` says whether the
-- version may have chunks already.
CREATE FUNCTION hold_claims(p_jobs uuid[], p_fences int[])
RETURNS TABLE (job_id uuid, wanted boolean, stored boolean) LANGUAGE sql AS $$
  SELECT j.id, d.deleted_at IS NULL AND (d.latest_version = v.id OR j.model_id IS NOT NULL),
    v.chunks IS NOT NULL OR j.model_id IS NOT NULL
  FROM unnest(p_jobs, p_fences) AS c(id, fence)
  JOIN job j ON j.id = c.id AND j.fence = c.fence AND j.state = 'active'
  JOIN version v ON v.id = j.version_id
  JOIN document d ON d.id = v.document_id
  ORDER BY j.id FOR UPDATE OF j, d
$$;

-- Makes versions visible whose chunks and text this transaction has written: the pointers move, and only now.
CREATE FUNCTION promote(p_results jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  ids uuid[];
BEGIN
  WITH r AS (
    SELECT * FROM jsonb_to_recordset(p_results) AS x(job uuid, version uuid, format text, "mediaType" text, title text,
      pages int, characters int, chunks int, model text, dimensions int, extracted jsonb, notes jsonb)
  ), done AS (
    UPDATE job j SET state = 'done', lease_until = NULL, error_code = NULL, error_message = NULL, updated_at = now()
    FROM r WHERE j.id = r.job
  ), moved AS (
    UPDATE version v SET status = 'ready', stage = NULL, done = NULL, total = NULL, finished_at = now(),
      error_code = NULL, error_message = NULL, error_hint = NULL, format = r.format, media_type = r."mediaType",
      title = r.title, pages = r.pages, characters = r.characters, chunks = r.chunks, model = r.model,
      dimensions = r.dimensions, extracted = r.extracted, notes = r.notes
    FROM r WHERE v.id = r.version RETURNING v.id, v.document_id
  ), pointed AS (
    UPDATE document d SET current_version = moved.id, updated_at = now() FROM moved WHERE d.id = moved.document_id
  )
  SELECT array_agg(id) INTO ids FROM moved;
  UPDATE version o SET status = 'superseded', finished_at = now() FROM version v
    WHERE v.id = ANY (ids) AND o.document_id = v.document_id AND o.id <> v.id AND o.status = 'ready';
  PERFORM announce(v) FROM version v WHERE v.id = ANY (ids);
END $$;

-- Ends claims whose result nobody wants any more.
CREATE FUNCTION drop_claims(p_jobs uuid[]) RETURNS void LANGUAGE sql AS $$
  UPDATE version v SET status = 'superseded', stage = NULL, finished_at = now()
    FROM job j WHERE j.id = ANY (p_jobs) AND v.id = j.version_id AND v.status = 'processing';
  UPDATE job SET state = 'cancelled', lease_until = NULL, updated_at = now() WHERE id = ANY (p_jobs);
$$;

-- A failure: again after p_delay, or for good where that is null. False when the claim does not count any more.
CREATE FUNCTION fail_job(p_job uuid, p_fence int, p_code text, p_message text, p_hint text, p_delay interval)
RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
  j job;
  v version;
BEGIN
  UPDATE job SET state = CASE WHEN p_delay IS NULL THEN 'dead' ELSE 'queued' END::job_state,
    run_after = now() + coalesce(p_delay, '0'), lease_until = NULL, error_code = p_code, error_message = p_message,
    updated_at = now()
    WHERE id = p_job AND fence = p_fence AND state = 'active' RETURNING * INTO j;
  IF NOT FOUND THEN RETURN false; END IF;
  IF j.model_id IS NULL THEN
    UPDATE version SET status = CASE WHEN p_delay IS NULL THEN 'failed' ELSE 'queued' END::version_status,
      stage = NULL, done = NULL, total = NULL, error_code = p_code, error_message = p_message, error_hint = p_hint,
      finished_at = CASE WHEN p_delay IS NULL THEN now() END
      WHERE id = j.version_id AND status = 'processing' RETURNING * INTO v;
    IF FOUND THEN PERFORM announce(v); END IF;
  END IF;
  RETURN true;
END $$;

-- Jobs whose worker has gone silent wait again; after p_losses times the document is taken for the culprit.
CREATE FUNCTION release_expired(p_losses int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  j job;
  n int := 0;
BEGIN
  FOR j IN UPDATE job SET losses = losses + 1 WHERE id IN (
      SELECT id FROM job WHERE state = 'active' AND lease_until < now() FOR UPDATE SKIP LOCKED) RETURNING * LOOP
    PERFORM fail_job(j.id, j.fence, 'INGEST_WORKER_LOST', 'The worker went away while it had the document',
      'Look for workers that end unexpectedly, for example for lack of memory; then redrive.',
      CASE WHEN j.losses < p_losses THEN interval '0' END);
    n := n + 1;
  END LOOP;
  RETURN n;
END $$;

-- Back from the dead, or a ready document once more. Null when there is no such version, or it is at work already.
CREATE FUNCTION retry_version(p_tenant text, p_version uuid, p_trace text) RETURNS uuid LANGUAGE plpgsql AS $$
DECLARE
  v version;
  existing uuid;
BEGIN
  PERFORM FROM tenant WHERE id = p_tenant FOR NO KEY UPDATE;
  UPDATE version SET status = 'queued', stage = NULL, error_code = NULL, error_message = NULL, error_hint = NULL,
    finished_at = NULL
    WHERE id = p_version AND tenant_id = p_tenant AND status IN ('failed', 'ready', 'superseded') RETURNING * INTO v;
  IF NOT FOUND THEN RETURN NULL; END IF;
  UPDATE document SET latest_version = v.id, hash = v.hash, updated_at = now() WHERE id = v.document_id;
  PERFORM announce(v);
  UPDATE job SET state = 'queued', attempts = 0, losses = 0, run_after = now(), updated_at = now()
    WHERE id = (SELECT id FROM job WHERE version_id = p_version AND model_id IS NULL AND state = 'dead' LIMIT 1)
    RETURNING id INTO existing;
  RETURN coalesce(existing, add_job(p_tenant, p_version, NULL, 0::smallint, p_trace));
END $$;
