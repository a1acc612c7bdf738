-- Words are looked for among one tenant's passages only: those of the others are left out in the index already.
CREATE EXTENSION IF NOT EXISTS btree_gin;
DROP INDEX chunk_search;
CREATE INDEX chunk_search ON chunk USING gin (tenant_id, search);
