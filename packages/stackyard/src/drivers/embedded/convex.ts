export { convex as engine } from '../../engines/convex/index.ts';
