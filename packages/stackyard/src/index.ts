export type {
  Driver,
  DriverContext,
  DriverSession,
  Placement,
  Running,
  Stack,
  StoredData,
} from './driver.ts';
export type { Engine, EngineContext, Launch } from './engine.ts';
export { exitCodes, StackyardError } from './errors.ts';
export { describeOperation, type Operation, type Plan, planStack } from './plan.ts';
