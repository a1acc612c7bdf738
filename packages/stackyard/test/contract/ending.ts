import { expect, test } from 'vitest';
import { commandOf, listProcesses, parentOf } from '../../src/processes.ts';
import { ContractWorkspace, eventually, freePorts } from './workspace.ts';

/** Interruptions and kills at every moment, and what outlived them. */
export function endingTests(driver: string): void {
  test('leaves no process after dev was killed, and starts again', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store! } }, scripts: { 'dev:worker': 'node ../../script.mjs' } },
    });
    const dev = workspace.start(['dev', 'one']);
    await dev.prints('script is running');
    dev.kill('SIGKILL');
    await dev.outcome;
    await eventually(
      () => workspace.leftovers().length === 0,
      () => workspace.leftovers().join('\n'),
    );
    expect((await workspace.run(['status', 'one'])).stdout).toBe('one is not up\n');
    expect((await workspace.run(['up', 'one'])).code).toBe(0);
  });

  test('leaves nothing after dev was killed while it starts', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store!, environment: { HEALTHY_AFTER: '-1' } } } },
    });
    const dev = workspace.start(['dev', 'one']);
    await eventually(
      () => workspace.events().at(-1) === 'store starts',
      () => dev.output,
    );
    dev.kill('SIGKILL');
    await dev.outcome;
    await eventually(
      () => workspace.leftovers().length === 0,
      () => workspace.leftovers().join('\n'),
    );
  });

  test('stops dev in order when the command that launched it was killed', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store! } } },
    });
    const shell = workspace.launch(['dev', 'one']);
    await shell.prints('one is ready');
    shell.kill('SIGKILL');
    await eventually(
      () => workspace.leftovers().length === 0,
      () => workspace.leftovers().join('\n'),
    );
    expect(workspace.events().at(-1)).toBe('store stops');
  });

  test('stops in order when it is interrupted while it starts', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store!, environment: { HEALTHY_AFTER: '-1' } } } },
    });
    for (const command of ['dev', 'up']) {
      const start = workspace.start([command, 'one']);
      await eventually(
        () => workspace.events().at(-1) === 'store starts',
        () => start.output,
      );
      start.kill('SIGINT');
      expect((await start.outcome).code).toBe(130);
      expect(workspace.events().at(-1)).toBe('store stops');
      expect(workspace.leftovers()).toEqual([]);
    }
  });

  test('waits for the grace period on the first Ctrl-C and for nothing on the second', async () => {
    const [quick, patient] = await freePorts(2);
    const environment = { STUBBORN: '1' };
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: quick!, environment, gracePeriod: '1s' } } },
      two: { services: { store: { port: patient!, environment, gracePeriod: '1h' } } },
    });
    const first = workspace.start(['dev', 'one']);
    await first.prints('one is ready');
    first.kill('SIGINT');
    expect((await first.outcome).code).toBe(0);
    expect(workspace.events()).toEqual(['store starts', 'store healthy', 'store stops']);

    const second = workspace.start(['dev', 'two']);
    await second.prints('two is ready');
    second.kill('SIGINT');
    await second.prints('two: stopping');
    second.kill('SIGINT');
    expect((await second.outcome).code).toBe(0);
    expect(workspace.leftovers()).toEqual([]);
  });

  test('a second down hurries nothing, and up starts again what is being stopped', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store!, environment: { STUBBORN: '1' }, gracePeriod: '1h' } } },
    });
    await workspace.run(['up', 'one']);
    const down = workspace.start(['down', 'one']);
    await eventually(
      () => workspace.events().at(-1) === 'store stops',
      () => down.output,
    );
    expect((await workspace.status('one')).up).toBe(false);
    const second = workspace.start(['down', 'one']);
    const up = workspace.start(['up', 'one']);
    await second.prints('one: stopping');
    await up.prints('being stopped');
    down.kill('SIGINT');
    expect((await second.outcome).code).toBe(0);
    expect(await up.outcome).toMatchObject({ code: 0, stderr: '' });
    expect((await workspace.status('one')).up).toBe(true);
    // It would take its hour.
    const last = workspace.start(['down', 'one']);
    await last.prints('one: stopping');
    last.kill('SIGINT');
    await last.outcome;
  });

  test('down gives up on a supervisor that does not react, some time after a Ctrl-C', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store! } } },
    });
    await workspace.run(['up', 'one']);
    const state = JSON.parse(workspace.read('.stackyard/run/one/state.json')) as { owner: { pid: number } };
    process.kill(state.owner.pid, 'SIGSTOP');
    const down = workspace.start(['down', 'one']);
    await down.prints('one: stopping');
    down.kill('SIGINT');
    expect((await down.outcome).code).toBe(130);
    expect(workspace.leftovers()).toEqual([]);
    expect(await workspace.run(['up', 'one'])).toMatchObject({ code: 0 });
  });

  test('ends what a script left behind in the background', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: {
        services: { store: { port: store! } },
        scripts: { setup: 'sleep 1000 & echo set up', 'dev:a': 'sleep 1000 & node ../../script.mjs' },
      },
    });
    const dev = workspace.start(['dev', 'one']);
    await dev.prints('script is running');
    dev.kill('SIGTERM');
    expect((await dev.outcome).code).toBe(0);
    expect(workspace.leftovers()).toEqual([]);
  });

  test('takes a state file that says nothing of use for none', async () => {
    const texts = ['{}', '[]', '5', '{"owner":null}', '{"owner":{"pid":1}}'];
    const ports = await freePorts(texts.length);
    const variants = ports.map((port, index) => [`v${index}`, { services: { store: { port } } }]);
    await using workspace = new ContractWorkspace(driver, Object.fromEntries(variants));
    for (const [index, text] of texts.entries())
      for (const file of ['state', 'dev']) workspace.write(`.stackyard/run/v${index}/${file}.json`, text);
    const ups = async () => {
      const { stdout } = await workspace.run(['status', '--json']);
      return (JSON.parse(stdout) as { up: boolean }[]).map(({ up }) => up);
    };
    expect(await ups()).toEqual(texts.map(() => false));
    expect(await workspace.run(['up'])).toMatchObject({ code: 0, stderr: '' });
    expect(await ups()).toEqual(texts.map(() => true));
  });

  test('cleans up by itself after a supervisor that was killed together with its watchdogs', async () => {
    const [store] = await freePorts(1);
    await using workspace = new ContractWorkspace(driver, {
      one: { services: { store: { port: store! } } },
    });
    await workspace.run(['up', 'one']);
    const state = JSON.parse(workspace.read('.stackyard/run/one/state.json')) as { owner: { pid: number } };
    killWithWatchdogs(state.owner.pid);
    expect((await workspace.run(['doctor', '--json'])).stdout).toContain('its supervisor died');
    const again = await workspace.run(['up', 'one']);
    expect(again).toMatchObject({ code: 0, stderr: '' });
    expect((await workspace.status('one')).up).toBe(true);
  });
}

/** Leaves the children of a supervisor alone in the world. */
export function killWithWatchdogs(supervisor: number): void {
  const watchdogs = listProcesses().filter(
    (pid) => parentOf(pid) === supervisor && /stackyard-(container-)?watchdog/.test(commandOf(pid) ?? ''),
  );
  for (const watchdog of watchdogs) process.kill(watchdog, 'SIGKILL');
  process.kill(supervisor, 'SIGKILL');
}
