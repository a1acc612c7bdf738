export { pgvector } from '../../engines/pgvector/index.ts';
