import type { Client } from '@stackyard/postgres';
import { afterEach, expect, test } from 'vitest';
import type { Consumer, Queue } from '../src/queue/index.ts';

export interface QueueUnderTest {
  readonly queue: () => Queue;
  readonly client: () => Client;
}

/** What every queue promises; run once per implementation. */
export function queueContract({ queue, client }: QueueUnderTest): void {
  const consumers: Consumer[] = [];
  afterEach(async () => {
    for (const consumer of consumers.splice(0)) await consumer.stop();
  });

  async function consume(deliver: (count: number) => Promise<void>, room = () => 100): Promise<Consumer> {
    const consumer = await queue().consume({
      capacity: async () => {
        while (room() <= 0) await new Promise((resolve) => setTimeout(resolve, 10));
        return room();
      },
      deliver,
      onError: () => {},
    });
    consumers.push(consumer);
    return consumer;
  }

  test('delivers as many permissions as were added', async () => {
    let received = 0;
    await consume(async (count) => {
      received += count;
    });
    await queue().add(5);
    await queue().add(2);
    await expect.poll(() => received, { timeout: 10_000 }).toBe(7);
    await expect.poll(() => queue().waiting()).toBe(0);
  });

  test('keeps what is added while nobody consumes', async () => {
    await queue().add(3);
    expect(await queue().waiting()).toBe(3);
    let received = 0;
    await consume(async (count) => {
      received += count;
    });
    await expect.poll(() => received, { timeout: 10_000 }).toBe(3);
  });

  test('shares the permissions among consumers', async () => {
    let received = 0;
    const count = async (more: number) => {
      received += more;
    };
    await consume(count, () => 2);
    await consume(count, () => 2);
    await queue().add(40);
    await expect.poll(() => received, { timeout: 20_000 }).toBe(40);
  });

  test('delivers again what failed', { timeout: 40_000 }, async () => {
    let failures = 1;
    let received = 0;
    await consume(async (count) => {
      if (failures-- > 0) throw new Error('not this time');
      received += count;
    });
    await queue().add(1);
    await expect.poll(() => received, { timeout: 30_000 }).toBe(1);
  });

  test('holds back what is delayed', async () => {
    const at: number[] = [];
    await consume(async () => void at.push(performance.now()));
    const added = performance.now();
    await queue().add(1, { delayMs: 1500 });
    await expect.poll(() => at.length, { timeout: 10_000 }).toBe(1);
    expect((at[0] as number) - added).toBeGreaterThan(1300);
  });

  test('adds with a transaction exactly when it commits, where it says so', async () => {
    if (!queue().transactional) {
      await client().tx((tx) => queue().add(1, { tx }));
      expect(await queue().waiting()).toBe(1);
    } else {
      const failed = client().tx(async (tx) => {
        await queue().add(2, { tx });
        throw new Error('rolled back');
      });
      await expect(failed).rejects.toThrow('rolled back');
      expect(await queue().waiting()).toBe(0);
      await client().tx((tx) => queue().add(2, { tx }));
      expect(await queue().waiting()).toBe(2);
    }
    let received = 0;
    await consume(async (count) => {
      received += count;
    });
    await expect.poll(() => received, { timeout: 10_000 }).toBeGreaterThan(0);
    await expect.poll(() => queue().waiting()).toBe(0);
  });

  test('answers its check', () => queue().check());
}
