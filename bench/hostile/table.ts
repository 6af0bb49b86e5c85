import type { Outcomes } from './attacker.ts';

export type Row = Record<string, string | number>;

/** The value that 99 of 100 do not exceed. */
export function p99(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * 0.99) - 1)] ?? Number.NaN;
}

export const longest = (values: readonly number[]): number => values.reduce((most, value) => Math.max(most, value), 0);

/** The most frequent first. */
export function summary(outcomes: Outcomes): string {
  const sorted = Object.entries(outcomes).toSorted(([, a], [, b]) => b - a);
  const shown = sorted.slice(0, 4).map(([what, count]) => `${count.toLocaleString('en')} × ${what}`);
  return [...shown, ...(sorted.length > 4 ? ['…'] : [])].join(', ') || 'nothing';
}

/** As a table of Markdown. */
export function tableOf(rows: readonly Row[]): string {
  const [first] = rows;
  if (!first) return '';
  const names = Object.keys(first);
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(' | ')} |`;
  return [line(names), line(names.map(() => '---')), ...rows.map((row) => line(names.map((name) => row[name] ?? '')))].join('\n');
}
