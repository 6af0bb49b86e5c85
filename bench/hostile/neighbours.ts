/**
 * `npm run bench -- neighbours`: two apps on one gateway whose pool has 10 connections. A user of one attacks by everything that
 * a user's token can be used for; the other app's reads and writes are to be at most 3 times as slow at their p99, and none is
 * to wait for 500 ms. It exits with 1 when a goal is missed. The options are those of `hostile`.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readOptions } from './options.ts';
import type { Waits } from './other-client.ts';
import { type Result, Scene } from './scene.ts';
import { longest, p99, type Row, summary, tableOf } from './table.ts';

const TIMES_AS_SLOW = 3;
const LONGEST_WAIT = 500;
const WRITES_A_SECOND = 5;

interface Judged {
  row: Row;
  missed: string[];
}

function judge(name: string, { waits, outcomes, ended }: Result, quiet: Waits): Judged {
  const row: Row = { attack: name, 'what came of it': summary(outcomes) };
  const missed = [...ended, ...Object.entries(waits.failures).map(([what, count]) => `${what} ${count} times`)];
  for (const kind of ['reads', 'writes'] as const) {
    const [slowest, usual, wait] = [p99(waits[kind]), p99(quiet[kind]), longest(waits[kind])];
    const ratio = slowest / usual;
    row[`${kind}: p99, ms`] = Math.round(slowest);
    row[`${kind}: p99 × quiet`] = ratio.toFixed(1);
    row[`${kind}: longest, ms`] = Math.round(wait);
    if (ratio > TIMES_AS_SLOW) missed.push(`the p99 of ${kind} is ${ratio.toFixed(1)} times the quiet one`);
    if (wait > LONGEST_WAIT) missed.push(`one of the ${kind} waited ${Math.round(wait)} ms`);
  }
  return { row, missed: missed.map((what) => `${name}: ${what}`) };
}

export async function run(): Promise<boolean> {
  const { attacks, attack, quiet: quietFor, rest } = readOptions(process.argv.slice(3));
  await using scene = await Scene.open({ writesASecond: WRITES_A_SECOND });
  await scene.quiet(quietFor); // what runs for the first time is slow
  const quiet = await scene.quiet(quietFor);
  for (const kind of ['reads', 'writes'] as const) {
    console.error(`Quiet ${kind}: p99 ${p99(quiet[kind]).toFixed(1)} ms, longest ${longest(quiet[kind]).toFixed(1)} ms`);
  }
  const judged: Judged[] = [];
  for (const { name, by } of attacks) {
    if (by !== 'user') continue;
    const one = judge(name, await scene.attack(name, scene.targets, attack), quiet);
    console.error(JSON.stringify(one.row));
    judged.push(one);
    await sleep(Math.min(rest, 5_000));
  }
  console.log(tableOf(judged.map(({ row }) => row)));
  const missed = judged.flatMap(({ missed: goals }) => goals);
  console.log(missed.length === 0 ? '\nAll goals are met.' : `\nMissed:\n${missed.map((what) => `- ${what}`).join('\n')}`);
  return missed.length === 0;
}
