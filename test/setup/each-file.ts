/** Loaded anew for each test file, while the modules that files share are loaded once a process. */
import { afterAll } from 'vitest';
import { endAll } from './at-end.ts';

afterAll(endAll);
