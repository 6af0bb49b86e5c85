import { RIGHT_NAMES, type Right, rightBit } from './rights.ts';

/**
 * Which rights a user needs for a request (spec: Rights). Only changes need rights: a part of a request that changes nothing
 * needs none. The needs of all parts add up, and are checked against the rights that were held when the lock was taken.
 */

/** A member who acts, with its rights under the group's lock. */
export interface Actor {
  address: string;
  /** Bits of rights.ts. */
  rights: number;
}

/** Rights that acts need, and rights that are given to others and so must be held, as bits of rights.ts. */
export interface Needs {
  acts: number;
  gives: number;
}

export const NO_NEEDS: Needs = { acts: 0, gives: 0 };
const needs = (...rights: Right[]): Needs => ({ acts: rights.reduce((bits, right) => bits | rightBit(right), 0), gives: 0 });

export const NEEDS_MODIFY = needs('modify');
export const NEEDS_REMOVE = needs('remove');
const OWNER = rightBit('owner');

/** Which right an act on a member needs, by the rank of the member: without rights, with rights, owner. */
const byRank = (plain: Right, admin: Right) => (rights: number) => {
  if (rights & OWNER) return needs('removeOwner');
  return needs(rights === 0 ? plain : admin);
};
const toTouch = byRank('addUser', 'addAdmin');
const toRemove = byRank('removeUser', 'removeAdmin');
const TO_ADD = needs('addUser');
const TO_LEAVE_ANYWAY = needs('owner');

/** What giving and taking rights needs. Members may give up their own. */
function toChangeRights(actor: Actor, address: string, before: number, after: number): Needs {
  const gives = after & ~before;
  const takes = before & ~after;
  let acts = gives === 0 ? 0 : rightBit('addAdmin');
  if (takes !== 0 && address !== actor.address) acts |= rightBit(before & OWNER ? 'removeOwner' : 'removeAdmin');
  return { acts, gives };
}

/** A member before and after a change; null: not a member. */
export interface MemberChange {
  address: string;
  before: { permissions: number; rights: number } | null;
  after: { permissions: number; rights: number } | null;
}

/** @param membersMayLeave false: only owners may remove themselves */
export function needsToChange(actor: Actor, { address, before, after }: MemberChange, membersMayLeave: boolean): Needs {
  if (before === null) return after === null ? NO_NEEDS : addNeeds(TO_ADD, toChangeRights(actor, address, 0, after.rights));
  if (after === null) {
    if (address !== actor.address) return toRemove(before.rights);
    return membersMayLeave || before.rights & OWNER ? NO_NEEDS : TO_LEAVE_ANYWAY;
  }
  const touched = before.permissions === after.permissions ? NO_NEEDS : toTouch(before.rights);
  return addNeeds(touched, toChangeRights(actor, address, before.rights, after.rights));
}

/** What changing or removing a member's entry for a message type needs. */
export function needsToChangeEntry(rights: number): Needs {
  return toTouch(rights);
}

/** The parts that a request has. */
export interface RequestParts {
  settings: boolean;
  adds: boolean;
  updates: boolean;
  removes: boolean;
}

/** The rights that a request could need, whatever it finds, as bits of rights.ts: who has none of them can only change nothing. */
export function couldNeed({ settings, adds, updates, removes }: RequestParts): number {
  const bits = (...rights: Right[]) => needs(...rights).acts;
  return (
    (settings ? bits('modify') : 0) |
    (adds || updates ? bits('addUser', 'addAdmin', 'removeAdmin', 'removeOwner') : 0) |
    (removes ? bits('owner', 'addUser', 'addAdmin', 'removeUser', 'removeAdmin', 'removeOwner') : 0)
  );
}

export function addNeeds(a: Needs, b: Needs): Needs {
  return { acts: a.acts | b.acts, gives: a.gives | b.gives };
}

/** A right that the actor lacks; undefined: it lacks none. */
export function missingRight({ rights }: Actor, { acts, gives }: Needs): Right | undefined {
  const lacking = (bits: number) => RIGHT_NAMES.find((right) => bits & ~rights & rightBit(right));
  return lacking(acts) ?? lacking(gives);
}
