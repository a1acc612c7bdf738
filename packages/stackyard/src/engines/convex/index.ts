export { convex } from './engine.ts';
