export { postgresEngine as engine } from '../../engines/postgres/engine.ts';
