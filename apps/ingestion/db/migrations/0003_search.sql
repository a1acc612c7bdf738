-- Words are looked for among one tenant's passages only: those of the others are left out in the index already.
CREATE EXTENSION IF NOT EXISTS btree_gin;
DROP INDEX chunk_search;
CREATE INDEX chunk_search ON chunk USING gin (tenant_id, search);

-- Where lz4 is missing, as in the embedded engine, the usual compression takes longer than all else of storing a text:
-- there, texts stay as they are.
DO $$
BEGIN
  IF (SELECT attcompression FROM pg_attribute WHERE attrelid = 'version_text'::regclass AND attname = 'text') <> 'l' THEN
    ALTER TABLE chunk ALTER COLUMN text SET STORAGE EXTERNAL, ALTER COLUMN search SET STORAGE EXTERNAL;
    ALTER TABLE version_text ALTER COLUMN text SET STORAGE EXTERNAL;
  END IF;
END $$;
