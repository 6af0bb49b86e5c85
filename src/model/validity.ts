/** When a group is in force. Times by the database's clock. */
export interface Validity {
  startsAt: Date;
  expiresAt: Date;
  /** Seconds by which activity extends it; null: off. */
  extension: number | null;
}

/** Seconds, 0 to 2³¹−1, relative to now; undefined: not given. */
export interface ValidityInput {
  start?: number;
  duration?: number;
  extension?: number | null;
}

export const DEFAULT_DURATION = 365 * 24 * 60 * 60;

const later = (time: Date, seconds: number) => new Date(time.getTime() + seconds * 1000);

/** `extension: 0` means off, as null does. */
const extensionOf = (seconds: number | null | undefined) => seconds || null;

/** A new group's validity: from now or `start` seconds later, for `duration` seconds or, when 0 or not given, 365 days. */
export function newValidity(input: ValidityInput, now: Date): Validity {
  const startsAt = later(now, input.start ?? 0);
  return { startsAt, expiresAt: later(startsAt, input.duration || DEFAULT_DURATION), extension: extensionOf(input.extension) };
}

/**
 * A group's validity after a change. `start: 0` is now for a group that has not started, else no change; `start` alone
 * keeps the length; `duration` counts from the start or from now, whichever is later; `duration: 0` is no change.
 */
export function changedValidity(current: Validity, input: ValidityInput, now: Date): Validity {
  let { startsAt, expiresAt, extension } = current;
  const begun = startsAt <= now;
  if (input.start !== undefined && !(input.start === 0 && begun)) {
    const length = expiresAt.getTime() - startsAt.getTime();
    startsAt = later(now, input.start);
    expiresAt = new Date(startsAt.getTime() + length);
  }
  if (input.duration) expiresAt = later(startsAt > now ? startsAt : now, input.duration);
  if (input.extension !== undefined) extension = extensionOf(input.extension);
  return { startsAt, expiresAt, extension };
}

export const GROUP_STATES = ['SCHEDULED', 'ACTIVE', 'PAUSED', 'EXPIRED'] as const;
export type GroupState = (typeof GROUP_STATES)[number];

/** The state at a time of the database's clock: expired, else not started, else paused, else active. */
export function stateAt(group: { active: boolean; startsAt: Date; expiresAt: Date }, now: Date): GroupState {
  if (now >= group.expiresAt) return 'EXPIRED';
  if (now < group.startsAt) return 'SCHEDULED';
  return group.active ? 'ACTIVE' : 'PAUSED';
}
