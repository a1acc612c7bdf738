import { ManagedProcess, type ProcessSpec } from './managed-process.ts';
import { Watchdog } from './watchdog.ts';

/** Starts children that cannot outlive this process; the watchdog exists once there is a first child. */
export class Supervisor implements Disposable {
  #watchdog: Watchdog | undefined;

  spawn(spec: ProcessSpec): Promise<ManagedProcess> {
    this.#watchdog ??= new Watchdog();
    return ManagedProcess.start(spec, this.#watchdog);
  }

  [Symbol.dispose](): void {
    this.#watchdog?.[Symbol.dispose]();
  }
}
