import { type InputIssue, InvalidInputError } from './errors.ts';
import { addressProblem, textProblem } from './text.ts';

export type Path = readonly (string | number)[];

export const MAX_INT = 2 ** 31 - 1;
/** The most issues that an answer lists. */
export const MAX_ISSUES = 100;
const MAX_TEXT = 256;

/** Collects what is wrong with an input, at most 100 issues, each with the path of its value. */
export class Issues {
  readonly #issues: InputIssue[] = [];

  add(path: Path, message: string): void {
    if (this.#issues.length < MAX_ISSUES) this.#issues.push({ path: path.map(String), message });
  }

  /** Throws InvalidInputError when there is an issue. */
  settle(): void {
    if (this.#issues.length > 0) throw new InvalidInputError(this.#issues);
  }

  /** Adds an issue for every field that is null and may not be. */
  noNulls(input: object, path: Path, except: readonly string[] = []): void {
    for (const [name, value] of Object.entries(input)) {
      if (value === null && !except.includes(name)) this.add([...path, name], 'null is not allowed here; leave the field out');
    }
  }

  /** Adds an issue for a number that is not an integer in the range. */
  range(value: number | null | undefined, min: number, max: number, path: Path): void {
    if (value == null) return;
    if (!Number.isInteger(value) || value < min || value > max) this.add(path, `must be an integer from ${min} to ${max}`);
  }

  text(value: string | null | undefined, path: Path, max = MAX_TEXT): void {
    if (value == null) return;
    const problem = textProblem(value, max);
    if (problem) this.add(path, problem);
  }

  address(value: string, path: Path): void {
    const problem = addressProblem(value);
    if (problem) this.add(path, problem);
  }

  idempotencyKey(value: string | null | undefined, path: Path): void {
    if (value == null) return;
    if (!/^[\x20-\x7e]{1,255}$/.test(value)) this.add(path, 'must be 1 to 255 printable ASCII characters');
  }
}

/** Throws InvalidInputError for one value. */
export function invalid(path: Path, message: string): never {
  throw new InvalidInputError([{ path: path.map(String), message }]);
}
