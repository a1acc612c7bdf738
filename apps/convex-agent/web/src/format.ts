import { useEffect, useState } from 'react';

/** The time in milliseconds, again every second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });

/** How long ago: `now`, `5 min. ago`. */
export function ago(time: number, now: number): string {
  const seconds = Math.round((time - now) / 1000);
  if (seconds > -5) return 'now';
  if (seconds > -60) return relative.format(seconds, 'second');
  if (seconds > -3600) return relative.format(Math.round(seconds / 60), 'minute');
  if (seconds > -86_400) return relative.format(Math.round(seconds / 3600), 'hour');
  return relative.format(Math.round(seconds / 86_400), 'day');
}

/** A span of time: `4.2 s`, `3 min 5 s`. */
export function span(ms: number): string {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
}

/** Tokens and cost, empty where there are none. */
export function amount(usage: { inputTokens: number; outputTokens: number; costUsd?: number }): string {
  const tokens = usage.inputTokens + usage.outputTokens;
  if (tokens === 0) return '';
  const cost = usage.costUsd === undefined ? '' : `, $${usage.costUsd.toFixed(4)}`;
  return `${tokens.toLocaleString('en')} tokens${cost}`;
}

/** A step for people: `coder-2` is `coder, round 2`. */
export function stepName(step: string): string {
  const [agent = step, round] = step.split('-');
  return round === undefined || round === '1' ? agent : `${agent}, round ${round}`;
}
