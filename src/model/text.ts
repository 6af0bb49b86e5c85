const MAX_TEXT = 256;

/** The length in Unicode code points. */
export function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

/** What keeps a string from being stored: a null character, a lone surrogate, more than `max` code points. */
export function textProblem(text: string, max: number): string | undefined {
  if (text.includes('\0')) return 'must not contain a null character';
  if (!text.isWellFormed()) return 'must be well-formed Unicode; it has a lone surrogate';
  if (text.length > max && codePoints(text) > max) return `must be at most ${max} characters`;
  return undefined;
}

/** What keeps a string from being an address: 1 to 256 code points, no comma or control character, no space at an end. */
export function addressProblem(address: string): string | undefined {
  if (address === '') return 'an address must not be empty';
  const problem = textProblem(address, MAX_TEXT);
  if (problem) return problem;
  if (address.includes(',')) return 'an address must not contain a comma';
  if (/\p{Cc}/u.test(address)) return 'an address must not contain a control character';
  if (/^\s|\s$/u.test(address)) return 'an address must not begin or end with a space';
  return undefined;
}
