import './errors.ts';
import './member.ts';
import './group.ts';
import './viewer.ts';
import './tokens.ts';
import './users.ts';
import './group-mutations.ts';
import './decisions.ts';
import './routing.ts';
import './changes.ts';
import './history.ts';
import './watching.ts';
import './permission-changes.ts';
import { builder } from './builder.ts';

export const schema = builder.toSchema({});
