import type { Attack } from './attack.ts';
import { BODIES } from './attacks/bodies.ts';
import { DATABASE } from './attacks/database.ts';
import { DOCUMENTS } from './attacks/documents.ts';
import { MESSAGES } from './attacks/messages.ts';
import { RATES } from './attacks/rates.ts';
import { SOCKETS } from './attacks/sockets.ts';

export const ATTACKS: readonly Attack[] = [...DOCUMENTS, ...BODIES, ...SOCKETS, ...MESSAGES, ...DATABASE, ...RATES];
